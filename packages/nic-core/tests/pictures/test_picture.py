"""Pictures in memory: arrays and Pillow images of every kind in, the same out."""

import io
from pathlib import Path

import numpy as np
import pytest
from nic_core.errors import BadPicture
from nic_core.pictures import metadata
from nic_core.pictures.picture import Picture
from nic_core.pictures.sources import picture_of
from PIL import Image, ImageCms, ImageOps


def values(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    """Return random values over the whole range of a type."""
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def exif_block(orientation: int) -> bytes:
    """Return an EXIF block that states an orientation, a maker and, in its own directory, an exposure."""
    exif = Image.Exif()
    exif[274], exif[271] = orientation, "Maker"
    exif[34665] = {37386: 35.0}
    return exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 2), (4, 5, 3), (4, 5, 4), (1, 1), (1, 1, 3), (3, 1, 4)])
def test_arrays_come_back(shape: tuple, dtype: type) -> None:
    array = values(*shape, dtype=dtype)
    picture = Picture.of(array)
    assert (picture.height, picture.width, picture.bit_depth) == (*shape[:2], 8 * array.itemsize)
    assert picture.channels == (1 if len(shape) == 2 or shape[2] == 2 else 3)
    assert (picture.alpha is not None) == (len(shape) == 3 and shape[2] in (2, 4))
    assert picture.pixels.flags.c_contiguous
    assert picture.to_array().dtype == dtype
    np.testing.assert_array_equal(picture.to_array(), array)


def test_one_channel_and_foreign_layouts() -> None:
    array = values(4, 5, 3, dtype=np.uint16)
    np.testing.assert_array_equal(Picture.of(array[..., :1]).to_array(), array[..., 0])
    foreign = Picture.of(np.asfortranarray(array).astype(">u2")[:, ::-1])
    assert foreign.pixels.dtype == np.uint16
    assert foreign.pixels.flags.c_contiguous
    np.testing.assert_array_equal(foreign.pixels, array[:, ::-1])


def test_gray_is_pillows() -> None:
    array = values(40, 50, 4)
    picture = Picture(array[..., :3], array[..., 3], icc=b"for colour", exif=exif_block(1))
    gray = picture.to_gray()
    np.testing.assert_array_equal(gray.to_array()[..., 0], np.asarray(Image.fromarray(array[..., :3]).convert("L")))
    np.testing.assert_array_equal(gray.alpha, picture.alpha)
    assert (gray.icc, gray.exif) == (None, picture.exif)
    assert gray.to_gray() is gray
    white = Picture(np.full((1, 1, 3), 65535, np.uint16)).to_gray()
    assert (white.pixels == 65535).all()
    assert white.bit_depth == 16


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (np.zeros((4, 5, 3)), "scale to uint8 or uint16 first"),
        (np.zeros((4, 5, 3), np.int64), "int64"),
        (np.zeros((4, 5, 3), np.int8), "int8"),
        (np.zeros((4, 5), bool), "bool"),
        (np.zeros((4, 5, 5), np.uint8), "4 x 5 x 5"),
        (np.zeros(4, np.uint8), "not 4"),
        (np.zeros((2, 4, 5, 3), np.uint8), "2 x 4 x 5 x 3"),
        (np.zeros((0, 5, 3), np.uint8), "at least one pixel"),
        (Image.new("F", (4, 5)), "float"),
        (Image.new("I", (4, 5), 65536), "65535"),
        (Image.new("I", (4, 5), -1), "65535"),
        (Image.new("RGB", (0, 5)), "at least one pixel"),
        ([[1, 2]], "list"),
    ],
)
def test_refused(source: object, says: str) -> None:
    with pytest.raises(BadPicture, match=says):
        Picture.of(source)


def test_alpha_must_fit() -> None:
    with pytest.raises(BadPicture, match="alpha"):
        Picture(values(4, 5, 3), values(4, 4))
    with pytest.raises(BadPicture, match="alpha"):
        Picture(values(4, 5, 3), values(4, 5, dtype=np.uint16))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pillow_images_come_back(mode: str) -> None:
    image = Image.fromarray(values(4, 5, 4)).convert(mode)
    image.info.update(icc_profile=b"profile", exif=b"Exif\0\0" + exif_block(6), xmp=b"<x/>", dpi=(72.0, 96.0))
    picture = Picture.of(image)
    assert (picture.icc, picture.exif, picture.xmp, picture.dpi) == (b"profile", exif_block(6), b"<x/>", (72, 96))
    back = picture.to_pil()
    assert back.mode == mode
    assert back.tobytes() == image.tobytes()
    assert back.info == image.info


def test_sixteen_bits_in_pillow() -> None:
    gray = values(4, 5, dtype=np.uint16)
    for mode, stored in (("I;16", "<u2"), ("I;16B", ">u2"), ("I", "<i4")):
        image = Image.frombytes(mode, (5, 4), gray.astype(stored).tobytes())
        np.testing.assert_array_equal(Picture.of(image).to_array(), gray)
    assert Picture.of(gray).to_pil().mode == "I;16"
    colour = Picture.of(np.array([[[0, 65535, 128], [129, 257, 32768]]], np.uint16))
    assert np.asarray(colour.to_pil()).tolist() == [[[0, 255, 0], [1, 1, 128]]]


@pytest.mark.parametrize("mode", ["1", "P", "PA", "La", "RGBa", "CMYK", "YCbCr", "HSV", "LAB", "RGBX"])
def test_other_modes(mode: str) -> None:
    smooth = np.full((6, 6, 4), (200, 100, 50, 128), np.uint8)
    source = Image.fromarray(smooth)
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(source.convert("RGB"), srgb, lab, outputMode="LAB")
    elif mode == "PA":
        image = source.convert("P").convert("PA")
    elif mode == "P":
        image = source.convert("RGB").quantize(4)
    elif mode == "La":
        image = source.convert("LA").convert("La")
    else:
        image = source.convert(mode) if mode in ("RGBa", "1") else source.convert("RGB").convert(mode)
    picture = Picture.of(image)
    assert picture.channels == (1 if mode in ("1", "La") else 3)
    assert (picture.alpha is not None) == (mode in ("PA", "La", "RGBa"))
    if picture.channels == 3:
        np.testing.assert_allclose(picture.pixels, smooth[..., :3], atol=25 if mode == "PA" else 4)


def test_transparent_colours_become_alpha() -> None:
    palette = Image.new("P", (3, 1))
    palette.putdata([0, 1, 2])
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    np.testing.assert_array_equal(Picture.of(palette).pixels[0], [[10, 20, 30], [40, 50, 60], [70, 80, 90]])
    palette.info["transparency"] = 1
    np.testing.assert_array_equal(Picture.of(palette).alpha, [[255, 0, 255]])
    gray = Image.fromarray(np.array([[7, 8]], np.uint8))
    gray.info["transparency"] = 8
    picture = Picture.of(gray)
    np.testing.assert_array_equal(picture.to_array(), [[[7, 255], [8, 0]]])
    colour = Image.new("RGB", (1, 1), (1, 2, 3))
    colour.info["transparency"] = (1, 2, 3)
    np.testing.assert_array_equal(Picture.of(colour).to_array(), [[[1, 2, 3, 0]]])


def test_opaque_alpha_is_kept() -> None:
    assert Picture.of(Image.new("RGBA", (2, 2), (1, 2, 3, 255))).to_pil().mode == "RGBA"


def test_cmyk_drops_its_profile() -> None:
    image = Image.new("CMYK", (2, 2), (0, 255, 255, 0))
    image.info.update(icc_profile=b"damaged", xmp=b"<x/>")
    picture = Picture.of(image)
    assert (picture.icc, picture.xmp) == (None, b"<x/>")
    np.testing.assert_array_equal(picture.pixels[0, 0], [255, 0, 0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_keeps_all_but_the_orientation(orientation: int) -> None:
    xmp = f'<x tiff:Orientation="{orientation}"><tiff:Orientation>{orientation}</tiff:Orientation></x>'.encode()
    picture = Picture(values(4, 5, 3), values(4, 5), b"icc", exif_block(orientation), xmp)
    turned = picture.upright()
    np.testing.assert_array_equal(turned.to_array(), picture.stripped().to_array())
    assert turned.icc == b"icc"
    assert turned.xmp == b'<x tiff:Orientation="1"><tiff:Orientation>1</tiff:Orientation></x>'
    tags = metadata.tags_of_exif(turned.exif)
    assert tags[271] == "Maker"
    assert tags[34665] == metadata.tags_of_exif(picture.exif)[34665]
    assert tags.get(274, 1) == 1
    assert turned.upright() is turned


@pytest.mark.parametrize("orientation", range(1, 9))
def test_stripped_is_upright(orientation: int) -> None:
    picture = Picture(values(4, 5, 3), values(4, 5), b"icc", exif_block(orientation), b"xmp")
    bare = picture.stripped()
    assert (bare.icc, bare.exif, bare.xmp) == (None, None, None)
    np.testing.assert_array_equal(bare.to_array(), np.asarray(ImageOps.exif_transpose(picture.to_pil())))


@pytest.mark.parametrize("exif", [b"", b"II*\0", b"no exif", exif_block(0), exif_block(9)])
def test_odd_exif_turns_nothing(exif: bytes) -> None:
    picture = Picture(values(4, 5, 3), exif=exif)
    np.testing.assert_array_equal(picture.stripped().pixels, picture.pixels)


def test_pictures_pass_through_and_paths_are_read(tmp_path: Path) -> None:
    picture = Picture(values(4, 5, 3))
    assert Picture.of(picture) is picture_of(picture) is picture
    path = tmp_path / "a.png"
    picture.to_pil().save(path)
    np.testing.assert_array_equal(picture_of(path).pixels, picture.pixels)
    np.testing.assert_array_equal(picture_of(str(path)).pixels, picture.pixels)


def test_a_damaged_pillow_image_is_refused() -> None:
    file = io.BytesIO()
    Image.fromarray(values(64, 64, 3)).save(file, "PNG")
    image = Image.open(io.BytesIO(file.getvalue()[:1000]))
    with pytest.raises(BadPicture, match="cut short"):
        Picture.of(image)
