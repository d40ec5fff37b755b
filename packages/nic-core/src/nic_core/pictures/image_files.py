"""Reading and writing picture files: PNG, JPEG, WebP, TIFF and BMP, with their metadata, 16 bits where they hold them.

imagecodecs and tifffile are imported inside functions, here and in `png` and `tiff`: they take long to import, and
`nic codecs` must answer in half a second.
"""

import io
import os
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError, features

from nic_core.errors import BadOption, BadPicture, NicError
from nic_core.files.atomic import atomic_write
from nic_core.pictures import metadata, png, tiff
from nic_core.pictures.picture import Picture

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
"""The format that each suffix stands for."""

SUFFIXES = frozenset(FORMATS)
"""What the names of pictures end in that are written, in lower case."""

LOSSY = frozenset({"JPEG", "WEBP"})
"""The formats that take a quality."""

SUBSAMPLED = frozenset({"JPEG"})
"""The formats that take a chroma subsampling."""

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
"""The chroma subsamplings that can be written."""

NO_ALPHA = frozenset({"JPEG", "BMP"})
"""The formats that hold no alpha."""

READABLE_SUFFIXES = SUFFIXES | {".gif"} | ({".avif"} if features.check("avif") else set())
"""What the names of pictures end in that are read here and now, in lower case."""

_PACKAGES = {".heic": "pillow-heif", ".heif": "pillow-heif", ".jxl": "pillow-jxl-plugin"}

# What is recognised by content. Not all that Pillow knows: for EPS it starts another program, and JPEG 2000
# files cut short pass for whole.
_READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "AVIF", "QOI")


def read(path: str | os.PathLike) -> Picture:
    """Read a picture file, its format recognised by its content; of several frames or pages the first.

    PNG and TIFF keep up to 16 bits, other formats up to 8. BadPicture, naming the file, for anything that is no whole
    and sound picture.
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
        raise BadPicture(f"{name}: {error}") from error
    except UnidentifiedImageError as error:
        raise BadPicture(f"{name}: no picture of a known format, or damaged at its start") from error
    except Image.DecompressionBombError as error:
        raise BadPicture(f"{name}: too large ({error})") from error
    except (MemoryError, NicError):
        raise
    except Exception as error:  # what decoders raise on damaged data has no common base
        raise BadPicture(f"{name}: the picture is damaged or cut short ({_line(error)})") from error


def missing_package(suffix: str) -> str | None:
    """Return the package that reading files of a suffix takes and that is not installed, None where none is known."""
    suffix = suffix.lower()
    return None if suffix in READABLE_SUFFIXES else _PACKAGES.get(suffix)


def encode(picture: Picture, format: str, quality: int | None = None, subsampling: str | None = None) -> bytes:
    """Return the picture as a file's bytes.

    format: "PNG", "TIFF", "JPEG", "WEBP" or "BMP", in upper or lower case.
    quality: 0 to 100, for JPEG (95 if not given) and WebP (lossless if not given).
    subsampling: one of `SUBSAMPLINGS`, for JPEG (4:2:0 if not given).

    PNG and TIFF hold everything. JPEG and WebP hold 8 bits, to which the picture is rounded, and metadata; BMP holds
    8 bits and no metadata, so the picture is turned upright. BadPicture for alpha in JPEG or BMP, and for what the
    format has no room for, BadOption for what `check_settings` refuses.
    """
    format = {"JPG": "JPEG", "TIF": "TIFF"}.get(format.upper(), format.upper())
    if format not in FORMATS.values():
        raise BadPicture(f"cannot write {format}: choose PNG, TIFF, WebP, JPEG or BMP")
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
    if data.startswith(png.SIGNATURE):
        head = png.header(data)
        _check_size(head.width, head.height)
        return png.decode(data)
    if data.startswith(tiff.SIGNATURES):
        deep = tiff.decode_deep(data, _check_size)
        if deep is not None:
            return deep
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise BadPicture("the file is cut short")
    Image.init()
    with Image.open(io.BytesIO(data), formats=[name for name in _READABLE if name in Image.OPEN]) as image:
        return Picture.of(image)


def _check_size(width: int, height: int) -> None:
    """Apply Pillow's limit, which `Image.MAX_IMAGE_PIXELS` sets, to what Pillow does not read."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > 2 * limit:
        raise BadPicture(f"too large: {width} x {height} exceeds {2 * limit} pixels")


def _encode_with_pillow(picture: Picture, format: str, quality: int | None, subsampling: str | None) -> bytes:
    picture = picture.to_8_bit()
    file = io.BytesIO()
    if format == "BMP":
        picture.stripped().to_pil().save(file, "BMP")
        return file.getvalue()
    options: dict = {"icc_profile": picture.icc, "exif": metadata.EXIF_PREFIX + picture.exif if picture.exif else b""}
    options["xmp"] = picture.xmp or b""
    if format == "JPEG":
        options.update(quality=95 if quality is None else quality, subsampling=subsampling or "4:2:0")
    elif quality is None:
        options.update(lossless=True, exact=True)  # exact: keep the colours under full transparency
    else:
        options["quality"] = quality
    replace(picture, icc=None, exif=None, xmp=None).to_pil().save(file, format, **options)
    return file.getvalue()


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
