"""Picture files read and written by strips: what goes by strips, late damage, memory, and files of many kinds.

What is read by rows is compared with what is read as a whole in the other tests here, too (see conftest.py).
"""

import io
import itertools
import logging
import math
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nic_core.errors import BadPicture, CannotWrite
from nic_core.pictures import image_files, metadata, ppm, reading, strips
from nic_core.pictures.content import FileBytes
from nic_core.pictures.picture import Picture, RowPicture
from nic_core.pictures.png import filters as png_filters
from nic_core.pictures.png.inflated import Inflated
from nic_core.pictures.strips import Strips
from nic_core.pictures.tiff import pieces as tiff_pieces
from nic_core.pictures.tiff import writing as tiff_writing
from PIL import Image

HEIGHT, WIDTH = 150, 50


def slopes(channels: int, dtype: type, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Return (H, W, C) that changes slowly, with some noise."""
    y, x, c = np.mgrid[:height, :width, :channels]
    values = 300 * x + 200 * y + 9000 * c + np.random.default_rng(1).integers(0, 500, y.shape)
    return (values % 65536 >> (8 if dtype is np.uint8 else 0)).astype(dtype)


def strips_of(picture: RowPicture, heights: list[int]) -> RowPicture:
    """Return a picture of strips of these heights, over and over."""

    def made(whole: np.ndarray) -> Strips:
        def parts() -> Iterator[np.ndarray]:
            first = 0
            for height in itertools.cycle(heights):
                if first >= len(whole):
                    return
                yield whole[first : first + height]
                first += height

        return Strips(whole.shape, whole.dtype, parts)

    alpha = None if picture.alpha is None else made(np.asarray(picture.alpha))
    return RowPicture(made(np.asarray(picture.pixels)), alpha, picture.icc, picture.exif, picture.xmp, picture.dpi)


def assert_same(one: RowPicture, other: RowPicture) -> None:
    """Compare all that two pictures are."""
    one, other = one.whole(), other.whole()
    assert one.pixels.dtype == other.pixels.dtype
    np.testing.assert_array_equal(one.to_array(), other.to_array())
    assert (one.icc, one.exif, one.xmp, one.dpi) == (other.icc, other.exif, other.xmp, other.dpi)


@pytest.fixture
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every picture be large, and bands have a few rows."""
    monkeypatch.setattr(image_files, "LARGE", 0)
    monkeypatch.setattr(png_filters, "_BAND", 1000)
    for module in (strips, ppm, tiff_pieces):
        monkeypatch.setattr(module, "BAND", 500)
    monkeypatch.setattr(tiff_writing, "_STRIP", 2000)


def pillow_file(path: Path, mode: str, format: str, **options: object) -> None:
    """Write what Pillow writes of slopes in a mode."""
    image = Image.fromarray(slopes(4, np.uint8))
    if mode == "I;16":
        image = Image.fromarray(slopes(1, np.uint16)[..., 0])
    elif mode in ("LA", "PA", "La", "RGBa"):
        image = image.convert({"RGBa": "RGBA"}.get(mode, "LA")).convert(mode)
    else:
        image = image.convert("RGB").convert(mode)
    image.save(path, format, **options)


@pytest.mark.usefixtures("small_bands")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
def test_there_and_back_by_strips(suffix: str, channels: int, dtype: type, tmp_path: Path) -> None:
    bare = Picture.of(slopes(channels, dtype))
    picture = Picture(bare.pixels, bare.alpha, b"profile", None, b"<x/>", (300.0, 300.0))
    if suffix == ".ppm":
        picture = Picture(bare.pixels)
    path, other = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    image_files.write(picture, path)
    back = image_files.open_rows(path)
    assert isinstance(back.pixels, Strips)
    assert len(list(back.pixels)) > 5
    assert_same(back, image_files.read(path))
    assert_same(back, Picture(picture.pixels, picture.alpha, picture.icc, None, picture.xmp, back.dpi))
    image_files.write(back, other)
    assert other.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM", "BMP", "WEBP"])
@given(heights=st.lists(st.integers(1, 100), min_size=1, max_size=5), gray=st.booleans())
@settings(max_examples=15, deadline=None)
def test_what_is_written_does_not_depend_on_strips(format: str, heights: list[int], gray: bool) -> None:
    picture = Picture(slopes(1 if gray else 3, np.uint8))
    assert image_files.encode(strips_of(picture, heights), format) == image_files.encode(picture, format)


PILLOW = [
    *itertools.product(["1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16"], ["raw", "tiff_lzw", "tiff_deflate"]),
    *itertools.product(["1"], ["group3", "group4", "packbits"]),
    *itertools.product(["L", "RGB"], ["jpeg", "packbits"]),
]


@pytest.mark.usefixtures("small_bands")
@pytest.mark.parametrize(("mode", "compression"), PILLOW)
def test_tiff_files_of_pillow(mode: str, compression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.TiffImagePlugin.STRIP_SIZE", 300)
    path = tmp_path / "a.tif"
    pillow_file(path, mode, "TIFF", compression=compression, dpi=(72, 72), description="slopes")
    rows = image_files.open_rows(path)
    assert isinstance(rows.pixels, Strips)
    assert_same(rows, image_files.read(path))


TIFFFILE = [
    {},
    {"byteorder": ">"},
    {"bigtiff": True},
    {"bigtiff": True, "byteorder": ">"},
    {"compression": "lzw"},
    {"compression": "lzw", "predictor": True, "byteorder": ">"},
    {"compression": "deflate", "predictor": True, "bigtiff": True},
    {"compression": "packbits"},
    {"compression": "zstd"},
    {"compression": "lzma"},
]


@pytest.mark.usefixtures("small_bands")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("chunks", [{"rowsperstrip": 1}, {"rowsperstrip": 7}, {"tile": (16, 16)}, {"tile": (32, 48)}])
@pytest.mark.parametrize("options", TIFFFILE)
def test_tiff_files_of_tifffile(options: dict, chunks: dict, dtype: type, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    tag = [(274, 3, 1, 1, True)]  # upright, as many programs say
    for array, more in [
        (slopes(3, dtype), {"photometric": "rgb"}),
        (slopes(1, dtype)[..., 0], {"photometric": "minisblack"}),
        (slopes(1, dtype)[..., 0], {"photometric": "miniswhite"}),
        (slopes(4, dtype), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        (slopes(4, dtype), {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
        (slopes(4, dtype), {"photometric": "rgb", "extrasamples": ["unspecified"]}),
    ]:
        tifffile.imwrite(path, array, extratags=tag, iccprofile=b"profile", **more, **options, **chunks)
        try:
            whole = image_files.read(path)
        except BadPicture:  # Pillow's libtiff may lack a compression
            with pytest.raises(BadPicture):
                image_files.open_rows(path)
            continue
        rows = image_files.open_rows(path)
        assert isinstance(rows.pixels, Strips)
        assert_same(rows, whole)


@pytest.mark.usefixtures("small_bands")
@pytest.mark.parametrize("chunks", [{"rowsperstrip": 16}, {"tile": (16, 32)}])
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("byteorder", "<>")
def test_jpeg_in_tiff(byteorder: str, subsampling: tuple, chunks: dict, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    options = {"compression": "jpeg", "byteorder": byteorder, **chunks}
    tifffile.imwrite(path, slopes(3, np.uint8), photometric="ycbcr", subsampling=subsampling, **options)
    rows = image_files.open_rows(path)
    assert isinstance(rows.pixels, Strips)
    assert_same(rows, image_files.read(path))


@pytest.mark.usefixtures("small_bands")
def test_strips_of_plain_bytes_are_split(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    for rows_of_strip in (HEIGHT, 20, 21):
        tifffile.imwrite(path, slopes(3, np.uint8), photometric="rgb", rowsperstrip=rows_of_strip)
        rows = image_files.open_rows(path)
        assert max(len(part) for part in rows.pixels) <= 500 // (3 * WIDTH)
        assert_same(rows, image_files.read(path))


@pytest.mark.usefixtures("small_bands")
def test_what_is_read_as_a_whole(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a"
    rgb = slopes(3, np.uint8)
    stored: list[tuple[np.ndarray, dict]] = [
        (rgb, {"photometric": "rgb", "compression": "lzw"}),  # one strip
        (np.moveaxis(rgb, 2, 0).copy(), {"photometric": "rgb", "planarconfig": "separate", "rowsperstrip": 5}),
        (rgb, {"photometric": "rgb", "rowsperstrip": 5, "extratags": [(274, 3, 1, 6, True)]}),
    ]
    for array, options in stored:
        tifffile.imwrite(path, array, **options)
        assert_same(image_files.open_rows(path), image_files.read(path))
    for mode, format in [("CMYK", "TIFF"), ("CMYK", "JPEG"), ("LAB", "TIFF"), ("1", "PPM")]:
        pillow_file(path, mode, format)
        assert_same(image_files.open_rows(path), image_files.read(path))


@pytest.mark.usefixtures("small_bands")
@pytest.mark.parametrize(
    ("mode", "format", "options"),
    [
        ("RGB", "JPEG", {"quality": 90, "dpi": (72, 72)}),
        ("L", "JPEG", {"progressive": True}),
        ("RGB", "WEBP", {"lossless": True}),
        ("RGBA", "WEBP", {"lossless": True}),
        ("P", "GIF", {}),
        ("P", "GIF", {"transparency": 3}),
        ("1", "BMP", {}),
        ("RGB", "BMP", {}),
        ("RGB", "AVIF", {"speed": 10}),
    ],
)
def test_others_are_cropped_from_what_pillow_holds(mode: str, format: str, options: dict, tmp_path: Path) -> None:
    path = tmp_path / "a"
    if image_files.missing_package(f".{format.lower()}"):
        pytest.skip("not installed")
    pillow_file(path, mode, format, **options)
    rows = image_files.open_rows(path)
    assert isinstance(rows.pixels, Strips)
    assert len(list(rows.pixels)) > 1
    assert_same(rows, image_files.read(path))


@pytest.mark.usefixtures("small_bands")
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("mode", "format"), [("RGB", "JPEG"), ("L", "JPEG"), ("RGBA", "WEBP"), ("RGB", "PNG")])
def test_turned_pictures_are_turned_by_rows(mode: str, format: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[metadata.ORIENTATION] = orientation
    pillow_file(tmp_path / "a", mode, format, exif=exif)
    rows, whole = image_files.open_rows(tmp_path / "a"), image_files.read(tmp_path / "a")
    assert_same(rows.upright(), whole.upright())
    assert_same(rows.stripped().to_gray(), whole.stripped().to_gray())
    assert isinstance(rows.upright().pixels, Strips) == (format != "PNG" or orientation == 1)
    turned = rows.upright()
    np.testing.assert_array_equal(turned.pixels[20:23], whole.upright().pixels[20:23])


TURNED = """
import resource, sys
import numpy as np
from nic_core.pictures import image_files
from PIL import Image

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

path, exif = sys.argv[1], Image.Exif()
exif[274] = 6
Image.new("RGB", (6000, 4000), (9, 99, 199)).save(path, exif=exif)
rows = image_files.open_rows(path)
for part in rows.pixels:
    pass
before = peak()
upright = rows.stripped()
assert (upright.width, upright.height) == (4000, 6000)
for part in upright.pixels:
    pass
print(peak() - before)
"""


def test_a_turned_photograph_takes_no_more_memory(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", TURNED, str(tmp_path / "a.jpg")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 20  # MiB; the picture is 69


def test_small_pictures_are_read_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image_files.write(Picture(slopes(3, np.uint8)), path)
    assert isinstance(image_files.open_rows(path).pixels, np.ndarray)


@pytest.mark.usefixtures("small_bands")
@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
def test_rows_can_be_asked_for_again_and_by_threads(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    whole = slopes(3, np.uint8)
    image_files.write(Picture(whole), path)
    rows = image_files.open_rows(path)
    path.unlink()
    for first, end in [(0, 10), (5, 60), (60, 61), (3, 150), (149, 150), (0, 1)]:
        np.testing.assert_array_equal(rows.rows(first, end), whole[first:end])

    def all_rows(_: int) -> np.ndarray:
        return np.concatenate(list(rows.pixels))

    with ThreadPoolExecutor(4) as pool:
        for made in pool.map(all_rows, range(8)):
            np.testing.assert_array_equal(made, whole)


@pytest.mark.usefixtures("small_bands")
@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
def test_damage_that_comes_late(suffix: str, tmp_path: Path) -> None:
    path, other = tmp_path / f"a{suffix}", tmp_path / "b.png"
    image_files.write(Picture(slopes(3, np.uint8)), path)
    data = bytearray(path.read_bytes())
    if suffix == ".png":  # a shorter stream, under a right checksum
        at = data.rindex(b"IDAT")
        body = data[at : at + 4 + int.from_bytes(data[at - 4 : at], "big") - 600]
        data[at - 4 :] = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        data += b"\0\0\0\0IEND\xaeB`\x82"
    elif suffix == ".tif":
        data[-200:-100] = bytes(100)
    path.write_bytes(data)
    rows = image_files.open_rows(path)
    if suffix == ".ppm":
        path.write_bytes(data[:-1000])
    np.testing.assert_array_equal(rows.pixels[:10], slopes(3, np.uint8)[:10])
    for _ in range(2):
        with pytest.raises(BadPicture, match="cut short") as caught:
            rows.pixels[10:]
        assert str(caught.value).startswith(f"{path}: ")
        with pytest.raises(BadPicture) as caught:
            image_files.write(rows, other)
        assert str(caught.value).startswith(f"{path}: ")
        assert not other.exists()
    with pytest.raises(BadPicture):
        image_files.read(path)


@pytest.mark.usefixtures("small_bands")
def test_a_checksum_that_is_wrong_comes_with_the_last_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image_files.write(Picture(slopes(3, np.uint8)), path)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"IDAT")
    end = at + 4 + int.from_bytes(data[at - 4 : at], "big")
    data[end - 1] ^= 1
    data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at:end]))
    path.write_bytes(data)
    rows = image_files.open_rows(path)
    rows.pixels[: HEIGHT // 2]
    with pytest.raises(BadPicture, match="incorrect data check"):
        rows.pixels[:HEIGHT]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm", ".bmp", ".jpg"])
def test_another_limit_on_pixels(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"a{suffix}"
    picture = Picture(slopes(3, np.uint8))
    image_files.write(picture, path)
    whole = image_files.read(path)
    for read in (image_files.read, image_files.open_rows):
        with pytest.raises(BadPicture, match=f"too large: {WIDTH} x {HEIGHT} exceeds 7499 pixels"):
            read(path, max_pixels=7499)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    monkeypatch.setattr(image_files, "LARGE", 0)
    for module in (strips, tiff_pieces):
        monkeypatch.setattr(module, "BAND", 1000)
    for read in (image_files.read, image_files.open_rows):
        with pytest.raises(BadPicture, match=f"too large: {WIDTH} x {HEIGHT} exceeds 2000 pixels"):
            read(path)
        if suffix != ".tif":
            assert_same(read(path, max_pixels=7500), whole)


def test_a_tiff_of_pieces_may_exceed_the_limit_of_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    monkeypatch.setattr(tiff_writing, "_STRIP", 1000)
    whole = Picture(slopes(3, np.uint8))
    image_files.write(whole, path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(BadPicture, match="too large"):
        reading.picture_of(path.read_bytes(), "a", 7500, math.inf)
    monkeypatch.setattr(image_files, "LARGE", 0)
    monkeypatch.setattr(tiff_pieces, "BAND", 1000)
    assert_same(image_files.open_rows(path, max_pixels=7500), whole)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_is_written_in_strips(big: bool, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.setattr(tiff_writing, "_STRIP", 1000)
    monkeypatch.setattr(tiff_writing, "_LARGEST_CLASSIC", 0 if big else 1 << 32)
    exif = Image.Exif()
    exif[271], exif[34665] = "Maker", {37386: 35.0}
    picture = Picture(slopes(3, dtype), None, b"profile", exif.tobytes()[6:], b"<x/>", (72.0, 72.0))
    data = image_files.encode(picture, "TIFF")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        assert file.is_bigtiff == big
        assert len(page.dataoffsets) > 10
        assert page.dataoffsets[-1] + page.databytecounts[-1] == len(data)
        np.testing.assert_array_equal(page.asarray(), picture.pixels)
    back = image_files.read_bytes(data)
    assert_same(back, Picture(picture.pixels, None, picture.icc, back.exif, picture.xmp, picture.dpi))
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[271] == "Maker"
        assert image.getexif().get_ifd(34665)[37386] == 35


@pytest.mark.parametrize("head", [b"P6\n7 5\n%d\n", b"P6 # made by hand\n7\t#w\r5 %d\n", b"P5 7 5 %d "])
@pytest.mark.parametrize("most", [255, 254, 100, 7, 2, 1, 256, 1023, 4095, 65534, 65535])
def test_ppm_of_any_largest_value(head: bytes, most: int) -> None:
    channels = 3 if head.startswith(b"P6") else 1
    values = np.random.default_rng(0).integers(0, most, (5, 7, channels), endpoint=True)
    data = head % most + values.astype(np.uint8 if most < 256 else ">u2").tobytes()
    picture = image_files.read_bytes(data + b"more")
    full = 255 if most < 256 else 65535
    assert picture.bit_depth == (8 if most < 256 else 16)
    np.testing.assert_array_equal(picture.pixels, np.round(values / most * full))
    if most < 256 or channels == 1:
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(picture.pixels, Picture.of(image).pixels)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"P6\n7 5\n255\n" + bytes(104), "cut short"),
        (b"P5\n7 5\n255\n", "cut short"),
        (b"P5\n7 5\n", "head"),
        (b"P5\n7 5\n255", "head"),
        (b"P5\n7 x\n255\n", "head"),
        (b"P5\n7 -5\n255\n", "head"),
        (b"P5 # no end", "head"),
        (b"P5\n7 55555555555\n255\n", "head"),
        (b"P5\n0 5\n255\n", "size of 0 x 5"),
        (b"P5\n7 5\n0\n" + bytes(35), "largest value of 0"),
        (b"P5\n7 5\n65536\n" + bytes(70), "largest value of 65536"),
        (b"P5\n70000 70000\n255\n" + bytes(70), "too large: 70000 x 70000"),
    ],
)
def test_ppm_files_that_are_none(data: bytes, says: str) -> None:
    with pytest.raises(BadPicture, match=says):
        image_files.read_bytes(data)


def test_ppm_says_what_it_leaves_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nic")
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    picture = Picture(slopes(3, np.uint16), None, b"profile", exif.tobytes()[6:], b"<x/>")
    back = image_files.read_bytes(image_files.encode(picture, "ppm"))
    assert caplog.messages == ["profile, EXIF, XMP: left out, as PPM holds no metadata"]
    assert_same(back, picture.stripped())
    caplog.clear()
    del exif[271]
    assert image_files.encode(Picture(picture.pixels, exif=exif.tobytes()[6:]), "ppm").startswith(
        b"P6\n150 50\n65535\n"
    )
    assert image_files.encode(Picture(picture.pixels[..., :1]), "ppm").startswith(b"P5\n50 150\n65535\n")
    assert not caplog.records
    with pytest.raises(BadPicture, match="PPM holds no alpha"):
        image_files.encode(Picture.of(slopes(4, np.uint8)), "ppm")


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    picture = Picture(slopes(3, np.uint8))
    for suffix in (".png", ".tif", ".ppm", ".bmp"):
        with pytest.raises(CannotWrite, match="does not exist"):
            image_files.write(picture, tmp_path / "missing" / f"a{suffix}")

    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    for format in ("PNG", "TIFF", "PPM", "BMP"):
        with pytest.raises(OSError, match="No space"):
            image_files.save(picture, Full(), format)
    link = tmp_path / "null.png"
    link.symlink_to("/dev/null")
    image_files.write(picture, link)
    assert link.is_symlink()


@given(data=st.binary(max_size=300), sizes=st.lists(st.integers(0, 90), max_size=9), cut=st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_streams_are_unpacked_from_the_front(data: bytes, sizes: list[int], cut: int) -> None:
    packed = zlib.compress(data)
    inflated = Inflated(packed[at : at + cut] for at in range(0, len(packed), cut))
    at = 0
    for size in sizes:
        if at + size > len(data):
            with pytest.raises(BadPicture, match="cut short"):
                inflated.take(size)
            return
        assert inflated.take(size) == data[at : at + size]
        at += size
    inflated.check()


def test_slices_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    content = FileBytes(path)
    file = content.file
    assert (len(content), content[:3], content[98:200], content[50:40]) == (100, b"\0\1\2", b"bc", b"")
    with pytest.raises(ValueError, match="one after another"):
        content[::2]
    del content
    assert file.closed


MEMORY = """
import resource, sys
import numpy as np
from nic_core.pictures import image_files
from nic_core.pictures.picture import RowPicture
from nic_core.pictures.strips import Strips

def parts():
    ramp = np.add.outer(np.arange(50), np.arange(6000))[..., None] + np.arange(3)
    for first in range(0, 5000, 50):
        yield (ramp + first >> 4).astype(np.uint8)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

path = sys.argv[1]
image_files.write(RowPicture(Strips((50, 6000, 3), np.uint8, lambda: (next(parts()) for _ in range(1)))), path)
image_files.read(path)
before = peak()
image_files.write(RowPicture(Strips((5000, 6000, 3), np.uint8, parts)), path)
print(peak() - before)
rows = image_files.open_rows(path)
total = sum(int(part.sum()) for part in rows.pixels)
image_files.write(rows, sys.argv[2])
print(peak() - before)
assert total == sum(int(part.sum()) for part in parts())
"""


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
def test_thirty_megapixels_take_little_memory(suffix: str, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{name}{suffix}") for name in "ab"]
    done = subprocess.run([sys.executable, "-c", MEMORY, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written, read = map(float, done.stdout.split())
    assert max(written, read) < 60  # MiB; the picture is 86
    assert Path(paths[0]).read_bytes() == Path(paths[1]).read_bytes()
