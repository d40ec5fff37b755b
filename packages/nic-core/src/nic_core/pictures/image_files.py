"""Reading and writing picture files (see `formats`), with their metadata, and 16 bits where they hold them."""

import io
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nic_core.errors import BadOption, BadPicture, NicError
from nic_core.files import places
from nic_core.files.atomic import atomic_path, atomic_write, is_device
from nic_core.files.places import Place
from nic_core.pictures import pillow_writing, png, ppm, reading
from nic_core.pictures.content import FileBytes
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
)
from nic_core.pictures.picture import Picture, RowPicture
from nic_core.pictures.tiff import writing as tiff_writing

__all__ = [
    "FORMATS",
    "LARGE",
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
    "open_rows",
    "read",
    "read_bytes",
    "save",
    "write",
]

LARGE = 8_000_000
"""Pixels from which on `open_rows` does not read the whole picture."""


def read(path: Place, max_pixels: int | None = None) -> Picture:
    """Read a picture file at a path or a URL, its format recognised by its content.

    max_pixels: how many there may be; by default twice Pillow's `Image.MAX_IMAGE_PIXELS`. That holds beside it for what
    Pillow itself compares: TIFF files of one piece, WebP and moving GIF.
    Of several frames or pages the first is read, and `nic_core.progress.note` says so.
    PNG, TIFF, PGM and PPM keep up to 16 bits, other formats up to 8. BadPicture, naming the file, for anything that is
    no whole and sound picture, and for a format that takes a package that is not installed.
    """
    with _found(path):
        data = places.read_bytes(path)
    return read_bytes(data, str(path), max_pixels)


def read_bytes(data: bytes, name: str = "standard input", max_pixels: int | None = None) -> Picture:
    """Read a picture file's bytes as `read` does; `name` is what errors call it."""
    return reading.picture_of(data, name, max_pixels, math.inf).whole()


def open_rows(path: Place, max_pixels: int | None = None) -> RowPicture:
    """Read a picture file as `read` does, but a large one in rows, which are made when they are asked for.

    Of more than `LARGE` pixels, PNG (not interlaced), PGM and PPM of bytes, and TIFF in strips or tiles are never in
    memory as a whole. Of other formats, and of TIFF in planes, in one compressed strip or turned, Pillow holds the
    decoded picture, of which rows are copied. CMYK, LAB, interlaced PNG and such TIFF of 16 bits in RGB are as `read`
    gives them.
    BadPicture as from `read`; damage to pixels may come to light only with their rows, which raise the same. The file
    stays open as long as the picture lives.
    """
    with _found(path):
        if not places.is_url(path) and not Path(places.local(path)).is_file():  # a pipe, or a folder, which is refused
            return read(path, max_pixels)
        content = FileBytes(path)
    return reading.picture_of(content, str(path), max_pixels, LARGE)


def encode(picture: RowPicture, format: str, quality: int | None = None, subsampling: str | None = None) -> bytes:
    """Return the picture as a file's bytes; see `save`."""
    file = io.BytesIO()
    save(picture, file, format, quality, subsampling)
    return file.getvalue()


def save(
    picture: RowPicture, file: BinaryIO, format: str, quality: int | None = None, subsampling: str | None = None
) -> None:
    """Write the picture into a file, which may be large: PNG, TIFF, PGM and PPM take some rows at a time.

    file: one that is empty; for TIFF one where it can go back.
    format: one of `FORMATS`' values, or "JPG" or "TIF", in upper or lower case.
    quality: 0 to 100, for JPEG (95 if not given), AVIF (90 if not given; it is never lossless here), WebP and JPEG XL
    (lossless if not given).
    subsampling: one of `SUBSAMPLINGS`, for JPEG (4:2:0 if not given) and AVIF (4:4:4 if not given).

    PNG and TIFF hold everything. PPM, which is PGM where the picture is gray, holds 8 or 16 bits and no metadata, which
    `nic_core.progress.note` says. The others hold 8 bits, to which the picture is rounded. JPEG, WebP and AVIF hold
    metadata; JPEG XL holds no profile, which a note says; BMP holds the resolution only. For PPM and BMP the picture is
    turned upright. BadPicture for alpha in JPEG, BMP or PPM, for what the format has no room for and where a package is
    missing, BadOption for what `check_settings` refuses, OSError where the file cannot be written.
    """
    format = {"JPG": "JPEG", "TIF": "TIFF"}.get(format.upper(), format.upper())
    if format not in FORMATS.values():
        raise BadPicture(f"cannot write {format}: choose {_listed(FORMATS.values())}")
    if package := needed_package(format):
        raise BadPicture(f"{format} is written with a package that is not installed: pip install {package!r}")
    check_alpha(format, picture.alpha is not None)
    check_settings(format, quality, subsampling)
    try:
        if format in _BY_ROWS:
            _BY_ROWS[format](picture, file)
        else:
            file.write(pillow_writing.encode(picture.whole(), format, quality, subsampling))
    except (OSError, MemoryError, NicError):
        raise
    except Exception as error:  # what encoders raise on sizes and metadata beyond the format has no common base
        raise BadPicture(f"the picture cannot be written as {format} ({reading.one_line(error)})") from error


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


def write(picture: RowPicture, path: Place, quality: int | None = None, subsampling: str | None = None) -> None:
    """Write the picture in the format of the path's suffix, whole or not at all; see `save`.

    BadPicture for a suffix that is no format and for what the format cannot hold, CannotWrite for the folder.
    """
    format = format_of(path)
    if is_device(path):
        atomic_write(path, encode(picture, format, quality, subsampling))
        return
    with atomic_path(path) as part, open(part, "xb") as file:
        save(picture, file, format, quality, subsampling)


def format_of(path: Place) -> str:
    """Return the format that a path's suffix stands for; BadPicture, listing them, for none."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise BadPicture(f"{path}: the name must end in one of {' '.join(FORMATS)}")
    return FORMATS[suffix]


_BY_ROWS: dict[str, Callable[[RowPicture, BinaryIO], None]] = {
    "PNG": png.save,
    "TIFF": tiff_writing.save,
    "PPM": ppm.save,
}


@contextmanager
def _found(path: Place) -> Iterator[None]:
    """Have what opening a file raises be BadPicture."""
    try:
        yield
    except FileNotFoundError as error:
        raise BadPicture(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise BadPicture(f"{path}: this is a folder, not a picture") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise BadPicture(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))
