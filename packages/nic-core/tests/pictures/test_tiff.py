"""TIFF files with and without the packages of `nic-core[tiff]`, and files that are long to walk through."""

import io
import itertools
import struct
import sys
import time
import zlib

import numpy as np
import pytest
from nic_core.errors import BadPicture
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_core.pictures.tiff import layout as tiff_layout
from PIL import Image

GRAY = (np.arange(40 * 50).reshape(40, 50) * 31).astype(np.uint16)
COLOUR = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]], axis=2)

PLAIN = [
    *itertools.product([None, "lzw", "deflate", "packbits"], "<>", [{}, {"tile": (16, 16)}, {"rowsperstrip": 7}]),
    *itertools.product(["lzw", "deflate"], "<>", [{"predictor": True}, {"predictor": True, "tile": (16, 16)}]),
    (None, "<", {"bigtiff": True}),
]


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tifffile and imagecodecs not be installed."""
    for name in ("tifffile", "imagecodecs"):
        monkeypatch.setitem(sys.modules, name, None)


def tiff_bytes(array: np.ndarray, **options: object) -> bytes:
    """Return what tifffile writes."""
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    file = io.BytesIO()
    tifffile.imwrite(file, array, photometric="rgb" if array.ndim == 3 else "minisblack", **options)
    return file.getvalue()


@pytest.mark.parametrize(("compression", "order", "options"), PLAIN)
def test_gray_of_16_bits_takes_no_extra(
    compression: str | None, order: str, options: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiff_bytes(GRAY, compression=compression, byteorder=order, **options)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    picture = image_files.read_bytes(data)
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.to_array(), GRAY)


@pytest.mark.parametrize(
    ("array", "options"),
    [
        (COLOUR, {}),
        (COLOUR, {"compression": "lzma"}),
        (COLOUR, {"compression": "zstd"}),
        (GRAY, {"compression": "zstd"}),
        (GRAY, {"compression": "packbits", "predictor": True}),  # Pillow would read other pixels
    ],
)
def test_others_of_16_bits_take_the_extra(array: np.ndarray, options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiff_bytes(array, **options)
    np.testing.assert_array_equal(image_files.read_bytes(data).to_array(), array)
    for name in ("tifffile", "imagecodecs"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(BadPicture, match=r"^a\.tif: TIFF of 16 bits.*: pip install 'nic-core\[tiff\]'$"):
                image_files.read_bytes(data, "a.tif")


@pytest.mark.usefixtures("hidden")
def test_without_the_extra() -> None:
    for array in (GRAY, COLOUR, np.dstack([COLOUR, GRAY]), np.dstack([GRAY, GRAY])):
        picture = Picture.of(array)
        np.testing.assert_array_equal(image_files.read_bytes(image_files.encode(picture, "PNG")).to_array(), array)
        data = image_files.encode(picture, "TIFF")
        if array is not GRAY:
            with pytest.raises(BadPicture, match="pip install"):
                image_files.read_bytes(data)
        eight = picture.to_8_bit()
        read = image_files.read_bytes(image_files.encode(eight, "TIFF"))
        np.testing.assert_array_equal(read.to_array(), eight.to_array())
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK"):
        file = io.BytesIO()
        image = Image.fromarray(COLOUR.astype(np.uint8)).convert(mode)
        image.save(file, "TIFF")
        np.testing.assert_array_equal(image_files.read_bytes(file.getvalue()).to_array(), Picture.of(image).to_array())
    with pytest.raises(BadPicture, match="cut short"):
        image_files.read_bytes(data[:-20])


def test_directories_that_lie_on_one_another_are_counted_soon() -> None:
    tags, rows = 4096, zlib.compress(bytes(16))
    known = [(256, 4), (257, 4), (258, 8), (259, 8), (262, 1), (273, 0), (277, 1), (278, 4), (279, len(rows))]
    places = [6 * i for i in range(2, 100_000)]
    data = bytearray(places[-1] + 12 * tags + 100)
    for place in places:  # as many tags in each, 6 bytes from one to the next
        struct.pack_into("<HI", data, place, tags, 0)
    for place in places:
        end = place + 2 + 12 * tags
        if end + 4 <= len(data):
            struct.pack_into("<I", data, end, place + 6)
    struct.pack_into("<4sI", data, 0, b"II*\0", len(data))
    entries = [(tag, len(data) + 6 + 12 * len(known) if tag == 273 else value) for tag, value in known]
    data += struct.pack("<H", len(known)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    data += struct.pack("<I", places[0]) + rows
    start = time.process_time()
    assert not image_files.read_bytes(bytes(data)).pixels.any()
    assert tiff_layout.pages(bytes(data)) == 1 << 16
    assert time.process_time() - start < 5


@pytest.mark.parametrize("offset", [0, 1, 5, 0xFFFFFFFF])
def test_pages_that_are_not_there(offset: int) -> None:
    data = bytearray(image_files.encode(Picture(GRAY[..., None]), "TIFF"))
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    struct.pack_into("<I", data, at + 2 + 12 * count, offset)
    assert tiff_layout.pages(bytes(data)) == 1
    struct.pack_into("<I", data, at + 2 + 12 * count, at)  # in a circle
    assert tiff_layout.pages(bytes(data)) == 1
