"""Picture files: every format, depth and kind of metadata there and back, and every way to be damaged."""

import io
import itertools
import logging
import os
import struct
import tracemalloc
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from nic_core.errors import BadOption, BadPicture, CannotWrite, NicError
from nic_core.files.atomic import atomic_write
from nic_core.format import chunks
from nic_core.pictures import bounds, image_files, metadata
from nic_core.pictures.picture import Picture
from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>né</x:xmpmeta>".encode()
EXIF_PREFIX = metadata.EXIF_PREFIX
DEPTHS = [np.uint8, np.uint16]


def smooth(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    """Return values that change slowly along rows and columns, as a photograph's do."""
    sums = np.random.default_rng(2).integers(1, 9, shape).cumsum(0).cumsum(1)
    return (sums * np.iinfo(dtype).max // sums.max()).astype(dtype)


def exif_block() -> bytes:
    """Return an EXIF block with an orientation, an exposure time and a place."""
    exif = Image.Exif()
    exif[274], exif[271], exif[33432] = 6, "Maker", "someone"
    exif[34665] = {37386: 35.0, 36867: "2024:01:02 03:04:05"}
    exif[34853] = {1: "N", 2: (48.0, 30.0, 0.0)}
    return exif.tobytes().removeprefix(b"Exif\0\0")


def exif_of(tags: dict) -> bytes:
    """Return an EXIF block with these tags."""
    exif = Image.Exif()
    exif.update(tags)
    return exif.tobytes().removeprefix(EXIF_PREFIX)


def skip_without(format: str) -> None:
    """Skip a test where the package that a format takes is not installed."""
    if package := image_files.missing_package(f".{format.lower()}"):
        pytest.skip(f"{package} is not installed")


def tags_of(exif: bytes) -> tuple[dict, dict, dict]:
    """Return what an EXIF block says: its own tags, those of the camera and those of the place."""
    tags = metadata.tags_of_exif(exif)
    camera, place = (tags.pop(pointer, {}) for pointer in metadata.POINTERS)
    return tags, camera, place


def pillow_bytes(image: Image.Image, format: str, **options: object) -> bytes:
    """Return what Pillow writes."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def tiff_bytes(array: np.ndarray, **options: object) -> bytes:
    """Return what tifffile writes."""
    file = io.BytesIO()
    pytest.importorskip("tifffile").imwrite(file, array, **options)
    return file.getvalue()


def png_bytes(array: np.ndarray) -> bytes:
    """Return a PNG file without metadata."""
    return image_files.encode(Picture.of(array), "PNG")


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """Return a PNG file with a chunk inserted after its header."""
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + chunk + data[33:]


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("channels", [(), (2,), (3,), (4,)])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 1), (31, 20)])
@pytest.mark.parametrize("suffix", [".png", ".TIFF"])
def test_png_and_tiff_hold_everything(tmp_path: Path, suffix: str, size: tuple, channels: tuple, dtype: type) -> None:
    array = smooth(*size, *channels, dtype=dtype)
    bare = Picture.of(array)
    picture = Picture(bare.pixels, bare.alpha, SRGB, exif_block(), XMP)
    path = tmp_path / f"a{suffix}"
    image_files.write(picture, path)
    back = image_files.read(path)
    upright = back.stripped()
    assert back.bit_depth == picture.bit_depth
    np.testing.assert_array_equal(upright.to_array(), picture.stripped().to_array())
    assert (back.icc, back.xmp) == (SRGB, XMP)
    expected = tags_of(picture.exif)
    if back.pixels.shape != picture.pixels.shape or metadata.orientation(back.exif) == 1:
        expected[0].pop(274)  # Pillow turns a TIFF file upright as it reads it
    assert tags_of(back.exif) == expected


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_other_programs_read_what_is_written(format: str, dtype: type) -> None:
    array = smooth(31, 20, 4, dtype=dtype)
    data = image_files.encode(Picture.of(array), format)
    if format == "TIFF":
        read = pytest.importorskip("tifffile").imread(io.BytesIO(data))
    else:
        read = pytest.importorskip("imagecodecs").png_decode(data)
    np.testing.assert_array_equal(read, array)
    picture = Picture(smooth(31, 20, 3, dtype=dtype), None, SRGB, None, XMP)
    with Image.open(io.BytesIO(image_files.encode(picture, format))) as image:
        image.load()
        assert image.mode == "RGB"
        assert (image.info["icc_profile"], image.info["xmp"]) == (SRGB, XMP)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "JPEG", "WEBP", "AVIF", "JXL"])
def test_no_metadata_stays_none(format: str) -> None:
    skip_without(format)
    back = image_files.read_bytes(image_files.encode(Picture(smooth(9, 8, 3)), format))
    assert (back.icc, back.exif, back.xmp, back.dpi) == (None, None, None, None)


@pytest.mark.parametrize("dpi", [(300.0, 300.0), (72.0, 72.0), (600.0, 1200.0)])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "JPEG", "WEBP", "AVIF", "JXL"])
def test_resolution_survives(format: str, dpi: tuple[float, float]) -> None:
    skip_without(format)
    for picture in (Picture(smooth(9, 8, 3), dpi=dpi), Picture(smooth(9, 8, 3), exif=exif_of({271: "Maker"}), dpi=dpi)):
        data = image_files.encode(picture, format)
        back = image_files.read_bytes(data)
        assert back.dpi == pytest.approx(dpi, rel=2e-4)  # PNG and BMP count whole pixels a metre
        assert (back.exif is None) == (picture.exif is None or format == "BMP")
        held = chunks.to_picture(back.pixels, back.alpha, chunks.of_picture(back))
        assert held.dpi == pytest.approx(back.dpi, rel=1e-6)
        again = image_files.read_bytes(image_files.encode(held.whole(), format))
        assert again.dpi == pytest.approx(back.dpi, rel=1e-6)
    if format in ("PNG", "TIFF", "BMP", "JPEG"):
        with Image.open(io.BytesIO(data)) as image:
            assert image.info["dpi"] == pytest.approx(dpi, rel=2e-4)


def test_resolutions_of_other_programs() -> None:
    image = Image.fromarray(smooth(9, 8, 3))
    assert image_files.read_bytes(pillow_bytes(image, "JPEG")).dpi is None  # its density is but an aspect
    assert image_files.read_bytes(pillow_bytes(image, "JPEG", exif=EXIF_PREFIX + exif_of({271: "a"}))).dpi is None
    stated = {282: 96.0, 283: 48.0, 296: 2}
    assert image_files.read_bytes(pillow_bytes(image, "JPEG", exif=EXIF_PREFIX + exif_of(stated))).dpi == (96, 48)
    centimetres = bytearray(pillow_bytes(image, "JPEG", dpi=(100, 200)))
    centimetres[13] = 2
    assert image_files.read_bytes(bytes(centimetres)).dpi == (254, 508)
    options = {"photometric": "rgb", "resolution": (100, 200), "resolutionunit": 3}
    for dtype in DEPTHS:
        assert image_files.read_bytes(tiff_bytes(smooth(9, 8, 3, dtype=dtype), **options)).dpi == (254, 508)
    for unit, values in ((0, (2835, 2835)), (1, (0, 2835))):
        data = with_chunk(png_bytes(smooth(9, 8)), b"pHYs", struct.pack(">IIB", *values, unit))
        assert image_files.read_bytes(data).dpi is None


def test_resolution_turns_with_the_picture_and_goes_with_strip() -> None:
    picture = Picture(smooth(9, 8, 3), exif=exif_of({274: 6}), dpi=(600.0, 1200.0))
    assert picture.upright().dpi == (1200, 600)
    assert picture.stripped().dpi is None
    assert chunks.of_picture(picture.stripped()) == {}
    assert image_files.read_bytes(image_files.encode(picture, "BMP")).dpi == pytest.approx((1200, 600), rel=2e-4)
    for bad in ((0.0, 72.0), (72.0, float("inf")), (float("nan"), 1.0)):
        with pytest.raises(BadPicture, match="resolution"):
            Picture(smooth(9, 8, 3), dpi=bad)


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_and_webp_keep_metadata(format: str, channels: int, dtype: type) -> None:
    picture = Picture(smooth(31, 20, channels, dtype=dtype), None, SRGB, exif_block(), XMP)
    back = image_files.read_bytes(image_files.encode(picture, format))
    assert back.exif == picture.exif
    assert (back.icc, back.xmp) == (SRGB, XMP)
    if format == "WEBP":
        np.testing.assert_array_equal(back.pixels, np.broadcast_to(picture.to_8_bit().pixels, (31, 20, 3)))
    else:
        assert back.channels == channels
        assert np.abs(back.pixels.astype(int) - picture.to_8_bit().pixels).mean() < 2


@pytest.mark.parametrize("format", ["AVIF", "JXL"])
@pytest.mark.parametrize("channels", [3, 4])
def test_avif_and_jpeg_xl(format: str, channels: int, caplog: pytest.LogCaptureFixture) -> None:
    skip_without(format)
    caplog.set_level(logging.INFO, "nic")
    bare = Picture.of(smooth(31, 20, channels))
    picture = Picture(bare.pixels, bare.alpha, SRGB, exif_of({271: "Maker"}), XMP)
    data = image_files.encode(picture, format)
    back = image_files.read_bytes(data)
    assert tags_of(back.exif)[0] == {271: "Maker"}
    assert back.xmp == XMP
    assert (back.icc == SRGB) == (format == "AVIF")
    assert ("profile is left out" in caplog.text) == (format == "JXL")
    assert (back.alpha is None) == (channels == 3)
    if format == "JXL":
        np.testing.assert_array_equal(back.to_array(), picture.to_array())
    else:
        assert np.abs(back.to_array().astype(int) - picture.to_array()).mean() < 2
    noise = Picture(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    assert len(image_files.encode(noise, format, quality=30)) < len(image_files.encode(noise, format)) / 2
    if format == "AVIF":
        assert len(image_files.encode(noise, format, subsampling="4:2:0")) < len(image_files.encode(noise, format))


def test_heif_is_read() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    image = Image.fromarray(smooth(40, 32, 3))
    picture = image_files.read_bytes(pillow_bytes(image, "HEIF", quality=95, exif=EXIF_PREFIX + exif_of({271: "a"})))
    assert np.abs(picture.pixels.astype(int) - np.asarray(image)).mean() < 3
    assert tags_of(picture.exif)[0][271] == "a"


def test_a_format_without_its_package_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    heic, jxl = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", b"\xff\x0a" + bytes(20)
    monkeypatch.setattr("nic_core.pictures.formats.find_spec", lambda name: None if name[:7] == "pillow_" else name)
    for data, package, suffix in ((heic, "pillow-heif", ".HEIC"), (jxl, "pillow-jxl-plugin", ".jxl")):
        with pytest.raises(BadPicture, match=f"pip install '{package}'"):
            image_files.read_bytes(data)
        assert image_files.missing_package(suffix) == package
    with pytest.raises(BadPicture, match="pip install 'pillow-jxl-plugin'"):
        image_files.encode(Picture(smooth(4, 5, 3)), "jxl")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 is not read: convert it to PNG, TIFF or JPEG first"),
        (b"\xff\x4f\xff\x51\0\0", "JPEG 2000"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "Canon"),
        (b"\0\0\0\x18ftypisom\0\0\0\1isommp42", "video"),
        (b"\x89NIC\1", "nic decode"),
    ],
)
def test_formats_that_are_not_read_are_named(data: bytes, says: str) -> None:
    with pytest.raises(BadPicture, match=says) as caught:
        image_files.read_bytes(data, "a.x")
    assert str(caught.value).startswith("a.x: ")


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF", "MPO"])
def test_frames_left_out_are_counted(format: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nic")
    frames = [Image.fromarray(smooth(16, 16, 3) // part) for part in (1, 2, 3)]
    image_files.read_bytes(pillow_bytes(frames[0], "JPEG" if format == "MPO" else format))
    assert not caplog.records
    picture = image_files.read_bytes(pillow_bytes(frames[0], format, save_all=True, append_images=frames[1:]))
    assert np.abs(picture.pixels.astype(int) - np.asarray(frames[0])).mean() < 8
    assert caplog.messages == [f"3 {'pages' if format == 'TIFF' else 'frames'}, the first is coded"]


def test_webp_keeps_alpha_and_quality_makes_it_small() -> None:
    picture = Picture.of(smooth(64, 64, 4))
    lossless = image_files.encode(picture, "webp")
    np.testing.assert_array_equal(image_files.read_bytes(lossless).to_array(), picture.to_array())
    assert len(image_files.encode(picture, "webp", quality=10)) < len(lossless)
    flat = Picture(picture.pixels)
    assert len(image_files.encode(flat, "jpeg", quality=10)) < len(image_files.encode(flat, "jpeg"))


def test_settings_of_lossy_formats() -> None:
    picture = Picture(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    sizes = [len(image_files.encode(picture, "jpeg", 90, subsampling)) for subsampling in ("4:4:4", "4:2:2", "4:2:0")]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] == len(image_files.encode(picture, "jpeg", 90)) < sizes[1] < sizes[0]
    for format, quality, subsampling, says in (
        ("tiff", 90, None, "TIFF is lossless"),
        ("png", 90, None, "PNG is lossless"),
        ("webp", None, "4:4:4", "WEBP takes no subsampling"),
        ("jpeg", 101, None, "the quality of JPEG is 0 to 100, not 101"),
        ("jpeg", None, "4:1:1", "one of 4:4:4, 4:2:2, 4:2:0"),
    ):
        with pytest.raises(BadOption, match=says):
            image_files.encode(picture, format, quality, subsampling)


def test_suffixes_that_are_read() -> None:
    assert {".png", ".jpg", ".gif", ".ppm"} <= image_files.READABLE_SUFFIXES
    assert [image_files.missing_package(suffix) for suffix in (".PNG", ".txt", "")] == [None] * 3
    packages = {".heic": ("pillow_heif", "pillow-heif"), ".jxl": ("pillow_jxl", "pillow-jxl-plugin")}
    for suffix, (module, package) in packages.items():
        there = find_spec(module) is not None
        assert (suffix in image_files.READABLE_SUFFIXES) == there
        assert image_files.missing_package(suffix) == (None if there else package)


@pytest.mark.parametrize("channels", [1, 3])
def test_bmp_is_turned_upright(channels: int) -> None:
    picture = Picture(smooth(31, 20, channels), exif=exif_block())
    back = image_files.read_bytes(image_files.encode(picture, "BMP"))
    np.testing.assert_array_equal(back.pixels, picture.stripped().pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_no_alpha_where_there_is_no_room(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(BadPicture, match="no alpha: write PNG, TIFF or WebP"):
        image_files.write(Picture.of(smooth(4, 5, 4)), tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("format", "width"), [("WEBP", 16384), ("JPEG", 65536)])
def test_too_wide_for_the_format(format: str, width: int) -> None:
    with pytest.raises(BadPicture, match=format):
        image_files.encode(Picture(np.zeros((1, width, 3), np.uint8)), format)


def test_metadata_too_long_for_jpeg() -> None:
    for picture in (Picture(smooth(4, 5, 3), exif=bytes(70000)), Picture(smooth(4, 5, 3), xmp=bytes(70000))):
        with pytest.raises(BadPicture, match="JPEG"):
            image_files.encode(picture, "JPEG")
    long = Picture(smooth(4, 5, 3), icc=SRGB + bytes(200000))
    assert image_files.read_bytes(image_files.encode(long, "JPEG")).icc == long.icc


def test_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match=r"\.png \.jpg"):
        image_files.write(Picture(smooth(4, 5, 3)), tmp_path / "a.xyz")
    with pytest.raises(BadPicture, match="EPS"):
        image_files.encode(Picture(smooth(4, 5, 3)), "eps")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"compression": "lzw"},
        {"compression": "lzw", "predictor": True, "byteorder": ">"},
        {"compression": "deflate", "rowsperstrip": 4},
        {"tile": (16, 16)},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "compression": "lzw", "byteorder": ">"},
        {"bigtiff": True},
    ],
)
@pytest.mark.parametrize("dtype", DEPTHS)
def test_tiff_files_of_other_programs(options: dict, dtype: type) -> None:
    array = smooth(31, 20, 3, dtype=dtype)
    stored = np.moveaxis(array, -1, 0) if "planarconfig" in options else array
    data = tiff_bytes(np.ascontiguousarray(stored), photometric="rgb", iccprofile=SRGB, **options)
    picture = image_files.read_bytes(data)
    np.testing.assert_array_equal(picture.to_array(), array)
    assert picture.icc == SRGB
    gray = tiff_bytes(array[..., 0].copy(), photometric="minisblack", **options)
    np.testing.assert_array_equal(image_files.read_bytes(gray).to_array(), array[..., 0])


@pytest.mark.parametrize("dtype", DEPTHS)
def test_tiff_where_zero_is_white(dtype: type) -> None:
    array = smooth(31, 20, dtype=dtype)
    data = tiff_bytes(array, photometric="miniswhite")
    np.testing.assert_array_equal(image_files.read_bytes(data).to_array(), np.iinfo(dtype).max - array)


def test_tiff_alpha_premultiplied_and_unspecified() -> None:
    stored = np.array([[[100, 200, 300, 32768], [5, 5, 5, 0], [60000, 1, 2, 65535]]], np.uint16)
    picture = image_files.read_bytes(tiff_bytes(stored, photometric="rgb", extrasamples=["assocalpha"]))
    np.testing.assert_array_equal(picture.alpha, stored[..., 3])
    np.testing.assert_array_equal(picture.pixels[0, 0], [200, 400, 600])
    np.testing.assert_array_equal(picture.pixels[0, 2], [60000, 1, 2])
    assert image_files.read_bytes(tiff_bytes(stored, photometric="rgb", extrasamples=["unspecified"])).alpha is None


def test_tiff_of_twelve_bits_fills_sixteen() -> None:
    array = np.array([[0, 4095, 1, 2048]], np.uint16)
    data = bytearray(tiff_bytes(array, photometric="minisblack"))
    with pytest.importorskip("tifffile").TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        depth, start, count = page.tags["BitsPerSample"].valueoffset, page.dataoffsets[0], page.tags["StripByteCounts"]
    data[depth : depth + 2] = struct.pack("<H", 12)
    data[start : start + 6] = bytes.fromhex("000fff001800")
    data[count.valueoffset : count.valueoffset + 4] = struct.pack("<I", 6)
    np.testing.assert_array_equal(image_files.read_bytes(bytes(data)).to_array(), [[0, 65535, 16, 32776]])


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int16, np.uint32])
def test_tiff_of_other_numbers_is_refused(dtype: type) -> None:
    with pytest.raises(BadPicture):
        image_files.read_bytes(tiff_bytes(np.full((4, 5), -1).astype(dtype), photometric="minisblack"))


def test_the_first_page_counts() -> None:
    pages = smooth(3, 31, 20, dtype=np.uint16)
    data = tiff_bytes(pages, photometric="minisblack")
    np.testing.assert_array_equal(image_files.read_bytes(data).to_array(), pages[0])
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    data = pillow_bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert image_files.read_bytes(data).pixels[0, 0].tolist() == [10, 10, 10]


@pytest.mark.parametrize("dtype", DEPTHS)
def test_a_transparent_colour_in_png(dtype: type) -> None:
    array = smooth(5, 6, 3, dtype=dtype)
    data = with_chunk(png_bytes(array), b"tRNS", struct.pack(">3H", *array[2, 3].tolist()))
    picture = image_files.read_bytes(data)
    np.testing.assert_array_equal(picture.pixels, array)
    assert picture.alpha[2, 3] == 0
    assert picture.alpha.max() == np.iinfo(dtype).max
    gray = with_chunk(png_bytes(array[..., 0]), b"tRNS", struct.pack(">H", array[2, 3, 0]))
    assert image_files.read_bytes(gray).alpha[2, 3] == 0


def test_png_palettes_and_few_bits() -> None:
    image = Image.new("P", (3, 1))
    image.putdata([0, 1, 2])
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    picture = image_files.read_bytes(pillow_bytes(image, "PNG"))
    np.testing.assert_array_equal(picture.to_array()[0], [[10, 20, 30], [40, 50, 60], [70, 80, 90]])
    picture = image_files.read_bytes(pillow_bytes(image, "PNG", transparency=1))
    np.testing.assert_array_equal(picture.alpha, [[255, 0, 255]])
    two = Image.new("1", (9, 2))
    two.putpixel((3, 1), 255)
    np.testing.assert_array_equal(image_files.read_bytes(pillow_bytes(two, "PNG")).to_array(), np.asarray(two) * 255)


def test_png_metadata_of_other_programs(capfd: pytest.CaptureFixture) -> None:
    plain = png_bytes(smooth(4, 5, 3, dtype=np.uint16))
    exif = exif_block()
    digits = (b"Exif\0\0" + exif).hex().encode()
    old = with_chunk(plain, b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n  %d\n" % 9 + digits))
    assert image_files.read_bytes(old).exif == exif
    packed = with_chunk(plain, b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0key\0" + zlib.compress(XMP))
    assert image_files.read_bytes(packed).xmp == XMP
    broken = with_chunk(plain, b"iCCP", b"p\0\0not zlib")
    assert image_files.read_bytes(broken).icc is None
    odd = image_files.encode(Picture(smooth(4, 5, 3), icc=b"no real profile"), "PNG")
    assert image_files.read_bytes(odd).icc == b"no real profile"
    with Image.open(io.BytesIO(image_files.encode(Picture(smooth(4, 5, 3), exif=exif), "PNG"))) as image:
        image.load()
        assert image.getexif()[274] == 6
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(format: str) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    picture = image_files.read_bytes(pillow_bytes(image, format, icc_profile=SRGB))
    assert picture.icc is None
    np.testing.assert_allclose(picture.pixels[8, 8], [255, 0, 0], atol=3)


def cmyk_profile() -> bytes:
    """Return the smallest profile of a printer whose paper is white and whose inks are all the same pale green."""
    lab = [(255 - 60 * corner.bit_count(), 98 if 0 < corner < 15 else 128, 128) for corner in range(16)]
    table = struct.pack(">4s4xBBBx9i", b"mft1", 4, 3, 2, *(65536 if i % 4 == 0 else 0 for i in range(9)))
    table += bytes(range(256)) * 4 + bytes(itertools.chain(*lab)) + bytes(range(256)) * 3
    head = struct.pack(">I4xI4s4s4s12x4s", 144 + len(table), 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp")
    return head.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_goes_through_its_profile(format: str) -> None:
    exif = Image.Exif()
    exif[271] = "Maker"
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    data = pillow_bytes(image, format, icc_profile=cmyk_profile(), exif=exif.tobytes())
    picture = image_files.read_bytes(data)
    assert picture.icc is None
    assert tags_of(picture.exif)[0][271] == "Maker"
    red, green, blue = picture.pixels[8, 8].tolist()
    assert green > blue > red > 20  # and not the red that those inks usually are


def test_orientation_survives_from_jpeg_to_tiff() -> None:
    picture = Picture(smooth(31, 20, 3), exif=exif_block())
    jpeg = image_files.read_bytes(image_files.encode(picture, "JPEG"))
    assert (jpeg.height, jpeg.width, metadata.orientation(jpeg.exif)) == (31, 20, 6)
    tiff = image_files.read_bytes(image_files.encode(jpeg, "TIFF"))
    np.testing.assert_array_equal(tiff.stripped().pixels, jpeg.stripped().pixels)


def samples() -> dict[str, bytes]:
    """Return a file of each kind by name."""
    picture = Picture(smooth(31, 20, 3), xmp=XMP)
    deep = Picture(smooth(31, 20, 3, dtype=np.uint16), xmp=XMP)
    files = {format.lower(): image_files.encode(picture, format) for format in ("PNG", "JPEG", "WEBP", "TIFF", "BMP")}
    files |= {f"deep-{format.lower()}": image_files.encode(deep, format) for format in ("PNG", "TIFF")}
    files["progressive"] = pillow_bytes(picture.to_pil(), "JPEG", progressive=True)
    files["tiff-raw"] = tiff_bytes(deep.pixels, photometric="rgb", byteorder=">")
    files["tiff-tiles"] = tiff_bytes(picture.pixels, photometric="rgb", compression="lzw", tile=(16, 16))
    files["tiff-pillow"] = pillow_bytes(picture.to_pil(), "TIFF", compression="tiff_lzw")
    return files


@pytest.mark.parametrize("name", samples())
def test_cut_short(tmp_path: Path, name: str) -> None:
    data = samples()[name]
    path = tmp_path / "photo"
    # Three bytes off a BMP file, whose rows are padded, can leave all of the pixels.
    for cut in {1, 7, 20, 40, len(data) // 4, len(data) // 2, len(data) * 3 // 4, len(data) - 20, len(data) - 4}:
        path.write_bytes(data[:cut])
        with pytest.raises(BadPicture) as caught:
            image_files.read(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", samples())
def test_altered_bytes_raise_nothing_else(name: str) -> None:
    data = samples()[name]
    for position in itertools.chain(range(min(200, len(data))), range(200, len(data), 37)):
        altered = bytearray(data)
        altered[position] ^= 0x55
        try:
            image_files.read_bytes(bytes(altered))
        except NicError as error:
            assert "\n" not in str(error)


def test_no_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("This is no picture.\n" * 50)
    (tmp_path / "folder.png").mkdir()
    caplog.set_level(logging.ERROR)
    for name, says in [("empty", "empty"), ("text", "no picture"), ("folder", "folder"), ("missing", "no such file")]:
        path = tmp_path / f"{name}.png"
        with pytest.raises(BadPicture, match=says) as caught:
            image_files.read(path)
        assert str(path) in str(caught.value)
    with pytest.raises(BadPicture, match="standard input"):
        image_files.read_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")


@pytest.mark.parametrize("name", ["png", "deep-png", "tiff", "deep-tiff", "jpeg", "webp"])
def test_too_large(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    data = samples()[name]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    with pytest.raises(BadPicture, match="too large"):
        image_files.read_bytes(data)


def tiff_of(size: int, data: bytes, bits: int, *tags: tuple[int, int]) -> bytes:
    """Return a gray deflated TIFF file; tags: (number, value), which come before those that they repeat."""
    plain = [(256, size), (257, size), (258, bits), (259, 8), (262, 1), (277, 1)]
    given = {tag for tag, _ in tags}
    if 322 not in given:
        plain += [(278, size)]
    places = (324, 325) if 322 in given else (273, 279)
    known = [entry for entry in plain if entry[0] not in given or entry == (256, size)]
    entries = [*tags, *known, (places[0], 8 + 6 + 12 * (len(tags) + len(known) + 2)), (places[1], len(data))]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries, key=lambda e: e[0]))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + directory + bytes(4) + data


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ([(322, 30_000), (323, 30_000)], "tiles are far larger"),
        ([(256, 12_000)], "states the same thing twice"),
        ([(32997, 100_000)], "a volume"),
        ([(277, 60_000)], "60000 samples"),
        ([(257, 100_000)], "cut short"),  # of its many strips there is one
        ([(257, 1 << 21), (278, 1 << 21)], "cut short"),  # 100 bytes cannot become so many
    ],
)
def test_tiff_files_that_claim_more_than_they_show(tags: list, says: str, bits: int) -> None:
    rows = zlib.compress(bytes(64 * 64 * bits // 8))
    assert not image_files.read_bytes(tiff_of(64, rows, bits)).pixels.any()
    assert not image_files.read_bytes(tiff_of(64, zlib.compress(bytes(1 << 22), 1), 8)).pixels.any()  # no more is read
    image_files.read_bytes(tiff_of(64, rows, bits))  # imports what takes memory
    tracemalloc.start()
    try:
        with pytest.raises(BadPicture, match=says):
            image_files.read_bytes(tiff_of(64, rows, bits, *tags))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_jpeg_files_of_endless_scans() -> None:
    data = pillow_bytes(Image.fromarray(smooth(64, 64)), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    image_files.read_bytes(data[:-2] + 40 * scan + data[-2:])
    with pytest.raises(BadPicture, match="scans over the picture"):
        image_files.read_bytes(data[:-2] + 90 * scan + data[-2:])


@pytest.mark.parametrize("size", [(64, 64), (30, 20), (1, 1), (301, 77), (600, 400), (5000, 3), (160, 90)])
def test_the_size_of_jpeg_xl(size: tuple[int, int]) -> None:
    skip_without("JXL")
    picture = Picture(np.zeros((size[1], size[0], 3), np.uint8))
    for exif in (None, exif_of({271: "in a container"})):
        data = image_files.encode(Picture(picture.pixels, exif=exif), "JXL")
        assert bounds.jxl_size(data) == size


def test_jpeg_xl_is_not_decoded_before_its_size_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_jxl = pytest.importorskip("pillow_jxl")
    data = image_files.encode(Picture(smooth(31, 20, 3)), "JXL")
    monkeypatch.setattr(pillow_jxl.JpegXLImagePlugin, "Decoder", lambda **options: pytest.fail("decoded"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    with pytest.raises(BadPicture, match="too large: 20 x 31"):
        image_files.read_bytes(data)
    with pytest.raises(BadPicture, match="no codestream"):
        image_files.read_bytes(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(30))


def test_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            image_files.write(Picture(smooth(4, 5, 3)), path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"old"
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"


def test_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path, says in [
        (tmp_path / "missing" / "a.nic", "does not exist"),
        (tmp_path / "file" / "a.nic", "not a folder"),
        (tmp_path / "folder", "a folder has that name"),
    ]:
        with pytest.raises(CannotWrite, match=says) as caught:
            atomic_write(path, b"data")
        assert str(path.parent) in str(caught.value)

    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("nic_core.files.atomic.open", refuse, raising=False)
    with pytest.raises(CannotWrite, match="Permission denied"):
        atomic_write(tmp_path / "a.nic", b"data")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder"]


def test_links_and_permissions(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch()
    link.symlink_to(target)
    atomic_write(link, b"data")
    assert link.is_symlink()
    assert target.read_bytes() == b"data"
    (tmp_path / "plain").touch()
    assert target.stat().st_mode == (tmp_path / "plain").stat().st_mode
    atomic_write("/dev/null", b"data")
    assert not Path("/dev/null").is_file()
