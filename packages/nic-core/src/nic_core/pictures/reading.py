"""Turning a file's content into a picture, by whatever reads its format, and whatever is wrong into BadPicture."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from PIL import Image, UnidentifiedImageError

from nic_core import progress
from nic_core.errors import BadPicture, NicError
from nic_core.pictures import bounds, pillow, png, ppm
from nic_core.pictures.bounds import CheckSize
from nic_core.pictures.content import Content, as_file
from nic_core.pictures.formats import recognise
from nic_core.pictures.picture import RowPicture
from nic_core.pictures.strips import Pixels, Strips, split_alpha
from nic_core.pictures.tiff import layout as tiff_layout
from nic_core.pictures.tiff import reading as tiff

_SRGB = "sRGB".encode("utf-16-be")
_BEGINNING = 1 << 10  # bytes that tell the format


def picture_of(content: Content, name: str, most: int | None, large: float) -> RowPicture:
    """Return the picture in a file; BadPicture, naming it, for anything that is no whole and sound picture.

    most: pixels that it may have, None for as many as Pillow allows. large: pixels from which on its rows are made when
    they are asked for, where its format allows that; they raise BadPicture, too.
    """
    if not len(content):
        raise BadPicture(f"{name}: the file is empty")
    with errors_of(name), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on odd metadata, and on sizes that are large but allowed
        picture = _picture(content, _limit(most), large)
    alpha = None if picture.alpha is None else _named(picture.alpha, name)
    return replace(picture, pixels=_named(picture.pixels, name), alpha=alpha)


@contextmanager
def errors_of(name: str) -> Iterator[None]:
    """Have whatever a block raises on a damaged file be BadPicture that names it."""
    try:
        yield
    except BadPicture as error:
        raise BadPicture(f"{name}: {one_line(error)}") from error
    except UnidentifiedImageError as error:
        raise BadPicture(f"{name}: no picture of a known format, or damaged at its start") from error
    except Image.DecompressionBombError as error:
        raise BadPicture(f"{name}: too large ({error})") from error
    except (MemoryError, NicError):
        raise
    except Exception as error:  # what decoders raise on damaged data has no common base
        raise BadPicture(f"{name}: the picture is damaged or cut short ({one_line(error)})") from error


def one_line(error: Exception) -> str:
    """Return what an error says."""
    return " ".join(str(error).split()) or type(error).__name__


def _named(pixels: Pixels, name: str) -> Pixels:
    """Return pixels, of which strips raise BadPicture that names the file."""
    if not isinstance(pixels, Strips):
        return pixels

    def made() -> Iterator[np.ndarray]:
        parts = iter(pixels)
        while True:
            with errors_of(name):
                part = next(parts, None)
            if part is None:
                return
            yield part

    def box(rows: slice, columns: slice) -> np.ndarray:
        assert given is not None
        with errors_of(name):
            return given(rows, columns)

    given = pixels.box
    return Strips(pixels.shape, pixels.dtype, made, given and box)


def _limit(most: int | None) -> CheckSize:
    """Return a check against a limit, by default Pillow's, which `Image.MAX_IMAGE_PIXELS` sets."""
    if most is None and Image.MAX_IMAGE_PIXELS is not None:
        most = 2 * Image.MAX_IMAGE_PIXELS

    def check(width: int, height: int) -> None:
        if most is not None and width * height > most:
            raise BadPicture(f"too large: {width} x {height} exceeds {most} pixels")

    return check


def _picture(content: Content, check_size: CheckSize, large: float) -> RowPicture:
    format = recognise(content[:_BEGINNING])
    if format is None:
        raise BadPicture("no picture of a known format, or damaged at its start")
    if format == "PNG":
        head = png.header(content)
        check_size(head.width, head.height)
        by_rows = head.width * head.height > large
        return png.rows(content, _note_frames) if by_rows else png.decode(content, _note_frames)
    if format == "PPM" and (plain := ppm.header(content)):
        check_size(plain.width, plain.height)
        picture = ppm.rows(content, plain)
        return picture if plain.width * plain.height > large else picture.whole()
    if format == "TIFF":
        return _tiff(content, check_size, large)
    return _by_pillow(content, format, check_size, large)


def _tiff(content: Content, check_size: CheckSize, large: float) -> RowPicture:
    page = tiff_layout.read(content, check_size)
    _note_frames(tiff_layout.pages(content), "pages")
    picture = tiff.rows(page) if page.layout.width * page.layout.height > large else None
    return picture or tiff.decode_deep(page) or _by_pillow(content, "TIFF", check_size, large)


def _by_pillow(content: Content, format: str, check_size: CheckSize, large: float) -> RowPicture:
    data = content[:]
    if format == "JPEG":
        bounds.check_jpeg(data)
    if format == "WEBP":
        bounds.check_webp(data)
    if format == "JXL":
        check_size(*bounds.jxl_size(data))  # the plugin decodes before it tells
    with pillow.opened(as_file(data), format, check_size) as image:
        frames = 1 if format == "TIFF" else getattr(image, "n_frames", 1)
        parts = (pillow.row_parts_of if image.width * image.height > large else pillow.parts_of)(image)
    _note_frames(frames)
    pixels, alpha = split_alpha(parts.array)
    icc, xmp = parts.icc, parts.xmp
    if format == "JXL":
        # The plugin hands out no XMP, and a profile of libjxl's own making where the file has none.
        icc = None if icc and icc[4:8] == b"jxl " and _SRGB in icc else icc
        xmp = bounds.jxl_xmp(data)
    return RowPicture(pixels, alpha, icc, parts.exif, xmp, parts.dpi)


def _note_frames(count: int, what: str = "frames") -> None:
    if count > 1:
        progress.note(f"{count} {what}, the first is coded")
