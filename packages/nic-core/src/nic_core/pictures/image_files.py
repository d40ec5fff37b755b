"""Reading and writing picture files (see `formats`), with their metadata, and 16 bits where they hold them."""

import importlib
import io
import os
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from nic_core import progress
from nic_core.errors import BadOption, BadPicture, NicError
from nic_core.files.atomic import atomic_write
from nic_core.pictures import bounds, metadata, png, tiff
from nic_core.pictures.formats import (
    FORMATS,
    LOSSY,
    NO_ALPHA,
    READABLE_SUFFIXES,
    SUBSAMPLED,
    SUBSAMPLINGS,
    SUFFIXES,
    missing_package,
    needed_package,
    recognise,
)
from nic_core.pictures.picture import Picture

__all__ = [
    "FORMATS",
    "LOSSY",
    "NO_ALPHA",
    "READABLE_SUFFIXES",
    "SUBSAMPLED",
    "SUBSAMPLINGS",
    "SUFFIXES",
    "check_alpha",
    "check_settings",
    "encode",
    "format_of",
    "missing_package",
    "read",
    "read_bytes",
    "write",
]


_SRGB = "sRGB".encode("utf-16-be")


def read(path: str | os.PathLike) -> Picture:
    """Read a picture file, its format recognised by its content.

    Of several frames or pages the first is read, and `nic_core.progress.note` says so.
    PNG and TIFF keep up to 16 bits, other formats up to 8. BadPicture, naming the file, for anything that is no whole
    and sound picture, and for a format that takes a package that is not installed.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise BadPicture(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise BadPicture(f"{path}: this is a folder, not a picture") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise BadPicture(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return read_bytes(data, str(path))


def read_bytes(data: bytes, name: str = "standard input") -> Picture:
    """Read a picture file's bytes as `read` does; `name` is what errors call it."""
    if not data:
        raise BadPicture(f"{name}: the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on odd metadata, and on sizes that are large but allowed
            return _read(data)
    except BadPicture as error:
        raise BadPicture(f"{name}: {_line(error)}") from error
    except UnidentifiedImageError as error:
        raise BadPicture(f"{name}: no picture of a known format, or damaged at its start") from error
    except Image.DecompressionBombError as error:
        raise BadPicture(f"{name}: too large ({error})") from error
    except (MemoryError, NicError):
        raise
    except Exception as error:  # what decoders raise on damaged data has no common base
        raise BadPicture(f"{name}: the picture is damaged or cut short ({_line(error)})") from error


def encode(picture: Picture, format: str, quality: int | None = None, subsampling: str | None = None) -> bytes:
    """Return the picture as a file's bytes.

    format: one of `FORMATS`' values, or "JPG" or "TIF", in upper or lower case.
    quality: 0 to 100, for JPEG (95 if not given), AVIF (90 if not given; it is never lossless here), WebP and JPEG XL
    (lossless if not given).
    subsampling: one of `SUBSAMPLINGS`, for JPEG (4:2:0 if not given) and AVIF (4:4:4 if not given).

    PNG and TIFF hold everything. The others hold 8 bits, to which the picture is rounded. JPEG, WebP and AVIF hold
    metadata; JPEG XL holds no profile, which `nic_core.progress.note` says; BMP holds the resolution only, so the
    picture is turned upright. BadPicture for alpha in JPEG or BMP, for what the format has no room for and where a
    package is missing, BadOption for what `check_settings` refuses.
    """
    format = {"JPG": "JPEG", "TIF": "TIFF"}.get(format.upper(), format.upper())
    if format not in FORMATS.values():
        raise BadPicture(f"cannot write {format}: choose {_listed(FORMATS.values())}")
    if package := needed_package(format):
        raise BadPicture(f"{format} is written with a package that is not installed: pip install {package!r}")
    check_alpha(format, picture.alpha is not None)
    check_settings(format, quality, subsampling)
    try:
        if format == "PNG":
            return png.encode(picture)
        if format == "TIFF":
            return tiff.encode(picture)
        return _encode_with_pillow(picture, format, quality, subsampling)
    except Exception as error:  # what encoders raise on sizes and metadata beyond the format has no common base
        if isinstance(error, MemoryError):
            raise
        raise BadPicture(f"the picture cannot be written as {format} ({_line(error)})") from error


def check_settings(format: str, quality: int | None, subsampling: str | None) -> None:
    """Raise BadOption where a format, in upper case, takes no quality or no subsampling, or not the given one."""
    if quality is not None and format not in LOSSY:
        raise BadOption(f"{format} is lossless, it takes no quality: that is for {_listed(LOSSY)}")
    if quality is not None and not 0 <= quality <= 100:
        raise BadOption(f"the quality of {format} is 0 to 100, not {quality}")
    if subsampling is not None and format not in SUBSAMPLED:
        raise BadOption(f"{format} takes no subsampling: that is for {_listed(SUBSAMPLED)}")
    if subsampling is not None and subsampling not in SUBSAMPLINGS:
        raise BadOption(f"the subsampling is one of {', '.join(SUBSAMPLINGS)}, not {subsampling!r}")


def check_alpha(format: str, alpha: bool) -> None:
    """Raise BadPicture where a picture has alpha and a format, in upper case, holds none."""
    if alpha and format in NO_ALPHA:
        raise BadPicture(f"{format} holds no alpha: write PNG, TIFF or WebP")


def write(
    picture: Picture, path: str | os.PathLike, quality: int | None = None, subsampling: str | None = None
) -> None:
    """Write the picture in the format of the path's suffix, whole or not at all; see `encode`.

    BadPicture for a suffix that is no format and for what the format cannot hold, CannotWrite for the folder.
    """
    atomic_write(path, encode(picture, format_of(path), quality, subsampling))


def format_of(path: str | os.PathLike) -> str:
    """Return the format that a path's suffix stands for; BadPicture, listing them, for none."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise BadPicture(f"{path}: the name must end in one of {' '.join(FORMATS)}")
    return FORMATS[suffix]


def _read(data: bytes) -> Picture:
    format = recognise(data)
    if format is None:
        raise BadPicture("no picture of a known format, or damaged at its start")
    if format == "PNG":
        head = png.header(data)
        _check_size(head.width, head.height)
        return png.decode(data, _note_frames)
    if format == "TIFF":
        deep = tiff.decode_deep(data, _check_size, lambda pages: _note_frames(pages, "pages"))
        if deep is not None:
            return deep
    if format == "JPEG":
        bounds.check_jpeg(data)
    if format == "WEBP":
        bounds.check_webp(data)
    if format == "JXL":
        _check_size(*bounds.jxl_size(data))  # the plugin decodes before it tells
    _register(format)
    with Image.open(io.BytesIO(data), formats=[format]) as image:
        frames = 1 if format == "TIFF" else getattr(image, "n_frames", 1)
        picture = Picture.of(image)
    _note_frames(frames)
    if format == "JXL":
        # The plugin hands out no XMP, and a profile of libjxl's own making where the file has none.
        icc = None if picture.icc and picture.icc[4:8] == b"jxl " and _SRGB in picture.icc else picture.icc
        picture = replace(picture, xmp=bounds.jxl_xmp(data), icc=icc)
    return picture


def _register(format: str) -> None:
    """Have Pillow know a format, of which it knows some by itself and some by packages that must be imported."""
    if format == "HEIF":
        importlib.import_module("pillow_heif").register_heif_opener()
    elif format == "JXL":
        importlib.import_module("pillow_jxl")
    else:
        Image.init()


def _note_frames(count: int, what: str = "frames") -> None:
    if count > 1:
        progress.note(f"{count} {what}, the first is coded")


def _check_size(width: int, height: int) -> None:
    """Apply Pillow's limit, which `Image.MAX_IMAGE_PIXELS` sets, to what Pillow does not read."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > 2 * limit:
        raise BadPicture(f"too large: {width} x {height} exceeds {2 * limit} pixels")


def _encode_with_pillow(picture: Picture, format: str, quality: int | None, subsampling: str | None) -> bytes:
    picture = picture.to_8_bit()
    if format == "BMP":
        picture = replace(picture.stripped(), dpi=picture.upright().dpi)
    exif = picture.exif if format in ("JPEG", "BMP") else metadata.exif_with_resolution(picture.exif, picture.dpi)
    options: dict = {
        "icc_profile": picture.icc,
        "exif": metadata.EXIF_PREFIX + exif if exif else b"",
        "xmp": picture.xmp or b"",
    }
    if format == "BMP":
        options["dpi"] = picture.dpi or (0, 0)  # Pillow would make up 96
    if format == "JPEG" and picture.dpi and all(1 <= round(value) <= 0xFFFF for value in picture.dpi):
        options["dpi"] = picture.dpi
    if format == "JPEG":
        options.update(quality=95 if quality is None else quality, subsampling=subsampling or "4:2:0")
    elif format == "AVIF":
        options.update(quality=90 if quality is None else quality, subsampling=subsampling or "4:4:4")
    elif quality is not None:
        options["quality"] = quality
    elif format == "WEBP":
        options.update(lossless=True, exact=True)  # exact: keep the colours under full transparency
    elif format == "JXL":
        options["lossless"] = True
    if format == "JXL":
        options["use_container"] = bool(exif or picture.xmp)
        if picture.icc:
            progress.note("the colour profile is left out: pillow-jxl-plugin writes none")
    _register(format)
    file = io.BytesIO()
    replace(picture, icc=None, exif=None, xmp=None, dpi=None).to_pil().save(file, format, **options)
    return file.getvalue()


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
