"""What a Pillow image holds, as arrays and bytes, and opening files with Pillow."""

import importlib
import io
import struct
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from nic_core.errors import BadPicture
from nic_core.pictures import metadata
from nic_core.pictures.bounds import CheckSize
from nic_core.pictures.dpi import sound_dpi
from nic_core.pictures.strips import Pixels, strips_of_boxes

_BY_THEMSELVES = frozenset(
    {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr", "HSV", "I;16", "I;16B"}
)
"""The modes of which rows become an array as the whole does."""


@dataclass(frozen=True)
class Parts:
    """What becomes a picture: samples (H, W, C) with alpha as the last channel, and what belongs to them."""

    array: Pixels
    icc: bytes | None
    exif: bytes | None
    xmp: bytes | None
    dpi: tuple[float, float] | None


def register(format: str) -> None:
    """Have Pillow know a format, of which it knows some by itself and some by packages that must be imported."""
    if format == "HEIF":
        importlib.import_module("pillow_heif").register_heif_opener()
    elif format == "JXL":
        importlib.import_module("pillow_jxl")
    else:
        Image.init()


def opened(file: BinaryIO, format: str, check_size: CheckSize) -> ImageFile:
    """Return a file of a format as an image whose pixels are not decoded yet; UnidentifiedImageError if it is none.

    check_size takes the place of the limit in `Image.open`, which is one for the whole process. The readers of TIFF,
    WebP and moving GIF compare sizes with that limit, too.
    """
    register(format)
    factory, accept = Image.OPEN[format]
    file.seek(0)
    try:
        if accept and accept(file.read(16)) is not True:
            raise UnidentifiedImageError
        file.seek(0)
        image = factory(file, "")
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        raise UnidentifiedImageError from error
    check_size(*image.size)
    return image


def parts_of(image: Image.Image) -> Parts:
    """Return what an image holds; BadPicture for damaged ones, and for values beyond 16 bits."""
    load(image)
    parts = described(image)
    if image.mode in ("CMYK", "LAB"):
        return replace(parts, array=array_of(_to_rgb(image, parts.icc)), icc=None)
    return replace(parts, array=array_of(image))


def row_parts_of(image: Image.Image) -> Parts:
    """Return what an image holds as `parts_of` does, but as strips (H, W, C), made of the image when asked for."""
    load(image)
    if not has_rows(image):
        return parts_of(image)

    def box(rows: slice, columns: slice) -> np.ndarray:
        return array_of(image.crop((columns.start, rows.start, columns.stop, rows.stop)))

    like = box(slice(0, 1), slice(0, 1))
    shape = image.height, image.width, *like.shape[2:]
    return replace(described(image), array=strips_of_boxes(shape, like.dtype, box))


def has_rows(image: Image.Image) -> bool:
    """Return whether rows of an image become what they are in the whole: values are not compared, nor inks mixed."""
    return image.mode in _BY_THEMSELVES


def load(image: Image.Image) -> None:
    """Decode an image, which completes `info`, and turns TIFF files upright; BadPicture for damaged ones."""
    try:
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise BadPicture(f"the picture is damaged or cut short ({error})") from error


def described(image: Image.Image) -> Parts:
    """Return what belongs to an image, without its pixels."""
    exif = _exif(image)
    dpi = _dpi(image, exif)
    if metadata.is_resolution_only(exif):
        exif = None
    return Parts(np.empty((0, 0)), image.info.get("icc_profile") or None, exif, _xmp(image), dpi)


def _dpi(image: Image.Image, exif: bytes | None) -> tuple[float, float] | None:
    """Return pixels per inch: what the file itself states, or else its EXIF."""
    info = image.info
    stated = info.get("dpi")
    if hasattr(image, "tag_v2"):  # a TIFF file, for which Pillow makes up 1
        return metadata.resolution(dict(image.tag_v2))
    if "jfif_unit" in info:
        inches = {1: 1.0, 2: 2.54}.get(info["jfif_unit"], 0.0)
        stated = [value * inches for value in info.get("jfif_density", ())]
    elif image.format in ("JPEG", "MPO"):
        stated = None  # Pillow makes up 72 where the EXIF states none
    usable = isinstance(stated, tuple | list) and len(stated) == 2
    return (sound_dpi(*stated) if usable and stated else None) or metadata.resolution(exif)


def array_of(image: Image.Image) -> np.ndarray:
    """Return an image's pixels, (H, W, C) with alpha as the last channel; BadPicture for values beyond 16 bits."""
    array = _array(image)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array[..., None] if array.ndim == 2 else array


def _array(image: Image.Image) -> np.ndarray:
    mode = image.mode
    if mode == "F":
        raise BadPicture("float pictures are refused: scale to 8 or 16 bits first")
    if mode == "I":
        array = np.asarray(image)
        if image.width and image.height and (array.min() < 0 or array.max() > 65535):
            raise BadPicture("the picture has 32-bit values outside 0 to 65535: scale to 16 bits first")
        return array.astype(np.uint16)
    if mode.startswith("I;16"):
        return np.asarray(image)
    gray = mode in ("1", "L", "LA", "La")
    # Alpha is either a channel, or a transparent colour ("transparency" in info).
    alpha = image.has_transparency_data
    return np.asarray(image.convert(("LA" if gray else "RGBA") if alpha else ("L" if gray else "RGB")))


def _to_rgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert CMYK or LAB to sRGB, through the profile if it is one of that colour space."""
    if icc and image.mode == "CMYK":
        from PIL import ImageCms

        try:
            profile, srgb = ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB")
            return cast(Image.Image, ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB"))
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile, or one of another colour space
    return image.convert("RGB")


def _exif(image: Image.Image) -> bytes | None:
    exif = image.info.get("exif")
    if isinstance(exif, Image.Exif):
        exif = exif.tobytes()
    if exif is None and hasattr(image, "tag_v2"):  # a TIFF file, whose tags are its EXIF
        return metadata.exif_from_tags(metadata.tags_of_exif(image.getexif()))
    if exif is None and "Raw profile type exif" in image.info:  # a PNG file by ImageMagick
        exif = image.getexif().tobytes()
    return metadata.bare_exif(exif)


def _xmp(image: Image.Image) -> bytes | None:
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    return xmp.encode() if isinstance(xmp, str) else xmp or None
