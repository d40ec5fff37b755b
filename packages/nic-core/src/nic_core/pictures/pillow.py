"""What a Pillow image holds, as arrays and bytes."""

import io
from dataclasses import dataclass
from typing import cast

import numpy as np
from PIL import Image

from nic_core.errors import BadPicture
from nic_core.pictures import metadata
from nic_core.pictures.dpi import sound_dpi


@dataclass(frozen=True)
class Parts:
    """What becomes a picture: an array with alpha as its last channel, and what belongs to it."""

    array: np.ndarray
    icc: bytes | None
    exif: bytes | None
    xmp: bytes | None
    dpi: tuple[float, float] | None


def parts_of(image: Image.Image) -> Parts:
    """Return what an image holds; BadPicture for damaged ones, and for values beyond 16 bits."""
    try:
        image.load()  # first, since it completes `info`, and turns TIFF files upright
    except (OSError, SyntaxError, ValueError) as error:
        raise BadPicture(f"the picture is damaged or cut short ({error})") from error
    icc, exif, xmp = image.info.get("icc_profile") or None, _exif(image), _xmp(image)
    dpi = _dpi(image, exif)
    if metadata.is_resolution_only(exif):
        exif = None
    if image.mode in ("CMYK", "LAB"):
        image, icc = _to_rgb(image, icc), None
    return Parts(_array(image), icc, exif, xmp, dpi)


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
