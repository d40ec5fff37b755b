"""Programs that know Pillow alone, with a codec that needs no torch."""

import io
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import nic_core as nic
import nic_core.pillow
import numpy as np
import pytest
from nic_core import api
from nic_core.errors import BadOption, DamagedFile
from nic_core.host.target import Target
from nic_core.pictures.picture import Picture
from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def values(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def saved(image: Image.Image, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "NIC", **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("mode", "shape", "dtype"),
    [
        ("L", (5, 4), np.uint8),
        ("LA", (5, 4, 2), np.uint8),
        ("RGB", (5, 4, 3), np.uint8),
        ("RGBA", (5, 4, 4), np.uint8),
        ("I;16", (5, 4), np.uint16),
    ],
)
def test_there_and_back(fake: ModuleType, tmp_path: Path, mode: str, shape: tuple[int, ...], dtype: type) -> None:
    pixels, path = values(*shape, dtype=dtype), tmp_path / "a.nic"
    Image.fromarray(pixels).save(path)
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("NIC", mode, (4, 5))
        assert image.get_format_mimetype() == "image/x-nic"
        assert np.array_equal(np.asarray(image), pixels)
        assert image.mode == mode
    assert np.array_equal(np.asarray(pickle.loads(pickle.dumps(Image.open(path)))), pixels)


def test_the_pixels_are_decoded_when_they_are_asked_for(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    data = nic.encode(values(5, 4, 3))
    image = Image.open(io.BytesIO(data))
    assert image.size == (4, 5)
    decoded: list[Any] = []
    original = api.decode_picture
    monkeypatch.setattr(api, "decode_picture", lambda data, **how: decoded.append(how) or original(data, **how))
    image.getpixel((0, 0))
    image.load()
    assert image.rotate(90, expand=True).size == (5, 4)
    assert len(decoded) == 1


def test_colour_of_16_bits_comes_in_8(fake: ModuleType) -> None:
    image = Image.open(io.BytesIO(nic.encode(values(5, 4, 4, dtype=np.uint16))))
    assert image.mode == "RGBA" and image.size == (4, 5)
    image.load()
    assert image.mode == "RGBA"


def test_metadata_go_both_ways(fake: ModuleType) -> None:
    exif = Image.Exif()
    exif[274], exif[271] = 6, "maker"
    image = Image.fromarray(values(5, 4, 3))
    data = saved(image, icc_profile=SRGB, exif=exif, xmp=XMP, dpi=(300, 150))
    opened = Image.open(io.BytesIO(data))
    assert (opened.info["icc_profile"], opened.info["xmp"], opened.info["dpi"]) == (SRGB, XMP, (300, 150))
    assert dict(opened.getexif()) == dict(exif)
    again = Image.open(io.BytesIO(saved(opened)))
    assert again.info == opened.info
    stripped = Image.open(io.BytesIO(saved(opened, icc_profile=None, exif=b"", xmp=None, dpi=None)))
    assert not stripped.info
    picture = nic.decode_picture(data)
    assert (picture.icc, picture.xmp, picture.dpi) == (SRGB, XMP, (300, 150))


def test_settings_are_those_of_the_codec(fake: ModuleType) -> None:
    image = Image.fromarray(values(40, 40, 3))
    assert nic.inspect(saved(image, quality=30)).quality == 30
    assert nic.inspect(saved(image, codec="zip-rate", quality=20)).codec == "zip-rate"
    assert nic.inspect(saved(image, codec=nic.load("zip-rate"), quality=80)).quality == 80
    assert nic.inspect(saved(image, codec="zip-rate", weights="low")).quality == 20
    assert len(saved(image, target=Target("size", 5000))) <= 5000
    with pytest.raises(OSError, match="zip has no encode option 'optimize'") as failed:
        saved(image, optimize=True)
    assert isinstance(failed.value.__cause__, BadOption)
    with pytest.raises(OSError, match="no installed package"):
        saved(image, codec="nothing")
    with pytest.raises(OSError):
        saved(Image.new("F", (3, 3), float("nan")))


def test_drafts_are_no_smaller_than_asked_for(fake: ModuleType) -> None:
    data = nic.encode(values(81, 160, 3))
    for wanted, size in (((20, 10), (20, 11)), ((21, 10), (40, 21)), ((500, 500), (160, 81)), ((160, 1), (160, 81))):
        image = Image.open(io.BytesIO(data))
        assert image.draft("L", wanted) and image.size == size
        expected = nic.decode_picture(data, scale=size[0] / 160).pixels
        assert np.array_equal(np.asarray(image), expected)
        assert image.draft("L", (1, 1)) is None
    image = Image.open(io.BytesIO(data))
    image.thumbnail((16, 16))
    assert image.size == (16, 8)


def test_a_file_that_is_damaged(fake: ModuleType, tmp_path: Path) -> None:
    data = nic.encode(values(5, 4, 3))
    with pytest.raises(OSError, match=r"checksum|damaged|CRC|altered") as failed:
        Image.open(io.BytesIO(data[:-1] + bytes([data[-1] ^ 1])))
    assert isinstance(failed.value.__cause__, DamagedFile)
    path = tmp_path / "a.nic"
    path.write_bytes(b"")
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(path)


def test_pillows_limit_counts(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    data = nic.encode(Picture(values(50, 40, 3)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 900)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setenv("NIC_MAX_PIXELS", "10")  # of nic's own calls
    Image.open(io.BytesIO(data)).load()


def test_opening_imports_no_runtime(fake: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.nic"
    path.write_bytes(nic.encode(values(2, 2, 3)))
    script = (
        "import sys, nic_core.pillow; from PIL import Image; print(Image.open(sys.argv[1]).size); "
        "assert not {'torch', 'onnxruntime'} & set(sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert told.stdout == "(2, 2)\n"
