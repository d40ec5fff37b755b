"""Reading TIFF files: those deeper than 8 bits by tifffile where Pillow, which holds no 16-bit RGB, loses some."""

import io
import logging
from dataclasses import replace

import numpy as np
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from nic_core.errors import BadPicture
from nic_core.pictures import metadata, pillow
from nic_core.pictures.content import Content, as_file
from nic_core.pictures.picture import Picture, RowPicture
from nic_core.pictures.strips import Pixels, Strips, split_alpha
from nic_core.pictures.tiff import pieces as tiff_pieces
from nic_core.pictures.tiff.layout import (
    DEFLATE,
    DEFLATE_OLD,
    LZMA,
    LZW,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    NONE,
    PACKBITS,
    RGB,
    ZSTD,
    Layout,
    Page,
)
from nic_core.pictures.tiff.pieces import Piece

_COMPRESSIONS = (NONE, LZW, DEFLATE, PACKBITS, DEFLATE_OLD, LZMA, ZSTD)
_ASSOCIATED, _UNASSOCIATED = 1, 2
_EXTRA = "nic-core[tiff]"


def decode_deep(page: Page) -> Picture | None:
    """Read a page if it has 9 to 16 bits per sample in gray or RGB; None where Pillow reads it as well.

    Fewer than 16 bits are scaled to 16. Premultiplied alpha is divided out. Further channels are dropped.
    BadPicture, or tifffile's error, for a damaged file, and BadPicture where tifffile is needed and not installed.
    """
    if not _is_deep(page.layout):
        return None
    return _described(page.content, _deep(page.content[:], page.layout)).whole()


def rows(page: Page) -> RowPicture | None:
    """Read a page of any depth when its rows are asked for; None where it must be read as a whole.

    Errors as `decode_deep` and Pillow raise them; those of damaged pixels come with the rows.
    """
    layout, deep = page.layout, _is_deep(page.layout)
    pieces = tiff_pieces.pieces(page)
    if not pieces or not (deep or pillow.has_rows(_image_of(page, pieces[0]))):
        return None

    def samples_of(piece: Piece) -> np.ndarray:
        if deep:
            return _deep(tiff_pieces.file_of(page, piece), replace(layout, height=piece.height))
        image = _image_of(page, piece)
        pillow.load(image)
        return pillow.array_of(image)

    like = samples_of(pieces[0])
    samples = Strips((layout.height, *like.shape[1:]), like.dtype, lambda: map(samples_of, pieces))
    if deep:
        return _described(page.content, samples)
    pixels, alpha = split_alpha(samples)
    with pillow.opened(as_file(page.content), "TIFF", _any_size) as image:
        if isinstance(image, TiffImageFile):
            image.tag_v2.pop(metadata.ORIENTATION, None)  # as Pillow does after decoding
        parts = pillow.described(image)
    return RowPicture(pixels, alpha, parts.icc, parts.exif, parts.xmp, parts.dpi)


def _image_of(page: Page, piece: Piece) -> ImageFile:
    return pillow.opened(io.BytesIO(tiff_pieces.file_of(page, piece)), "TIFF", _any_size)


def _any_size(width: int, height: int) -> None:
    """Check nothing: what it is a part of was checked."""


def _is_deep(layout: Layout) -> bool:
    """Return whether not Pillow but tifffile reads a page; BadPicture for numbers that nothing here reads."""
    if not 9 <= layout.bits <= 16 or layout.photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB):
        return False
    if not layout.unsigned:
        raise BadPicture("the picture has float or signed values: scale to unsigned 8 or 16 bits first")
    if layout.compression not in _COMPRESSIONS:
        raise BadPicture(f"a compression that is not read at this depth (number {layout.compression})")
    return not _is_whole_in_pillow(layout)


def _deep(data: bytes, layout: Layout) -> np.ndarray:
    """Return the first page's pixels in 16 bits with alpha as the last channel, (H, W, 1 to 4)."""
    array = _scale_to_16_bit(_samples(data, layout), layout.bits)
    channels = 3 if layout.photometric == RGB else 1
    pixels = array[..., :channels]
    if layout.photometric == MIN_IS_WHITE:
        pixels = 65535 - pixels
    for i, meaning in enumerate(layout.extra):
        if meaning in (_ASSOCIATED, _UNASSOCIATED):
            alpha = array[..., channels + i]
            if meaning == _ASSOCIATED:
                pixels = _divide_by_alpha(pixels, alpha)
            return np.concatenate([pixels, alpha[..., None]], axis=2)
    return pixels


def _described(content: Content, samples: Pixels) -> RowPicture:
    """Return a page's pixels, with alpha as the last channel, with what its tags say about them."""
    tags = metadata.tags_of_tiff(as_file(content))
    pixels, alpha = split_alpha(samples)
    exif, dpi = metadata.exif_from_tags(tags), metadata.resolution(tags)
    return RowPicture(pixels, alpha, tags.get(metadata.ICC), exif, tags.get(metadata.XMP), dpi)


def _is_whole_in_pillow(layout: Layout) -> bool:
    """Return whether Pillow, too, reads all of a picture of more than 8 bits: plain gray of 16."""
    if (layout.bits, layout.samples, layout.photometric, layout.reversed_bits) != (16, 1, MIN_IS_BLACK, False):
        return False
    if layout.predictor == 1:
        return layout.compression in (NONE, LZW, DEFLATE, PACKBITS, DEFLATE_OLD)
    return layout.predictor == 2 and layout.compression in (LZW, DEFLATE, DEFLATE_OLD)  # with others it ignores it


def _samples(data: bytes, layout: Layout) -> np.ndarray:
    """Return the first page's samples as they are stored, (H, W, samples of a pixel)."""
    try:
        import imagecodecs  # noqa: F401  (tifffile's, for compressions)
        import tifffile  # here, as both are an extra and take long to import
    except ImportError as error:
        what = f"TIFF of {layout.bits} bits, other than plain gray of 16,"
        raise BadPicture(f"{what} is read with a package that is not installed: pip install {_EXTRA!r}") from error

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # or it prints to the terminal
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        shape = layout.height, layout.width, layout.samples
        if (page.imagelength, page.imagewidth, page.samplesperpixel, page.bitspersample) != (*shape, layout.bits):
            raise BadPicture("the file is damaged: its tags can be read in two ways")
        array = page.asarray()
    if layout.planar and layout.samples > 1:
        array = np.moveaxis(array, 0, -1)
    return array.reshape(shape).astype(np.uint16)


def _scale_to_16_bit(array: np.ndarray, bits: int) -> np.ndarray:
    if bits == 16:
        return array
    most = (1 << bits) - 1
    return ((array.astype(np.uint32) * 65535 + most // 2) // most).astype(np.uint16)


def _divide_by_alpha(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    weight = np.maximum(alpha, 1).astype(np.uint32)[..., None]
    return np.minimum((pixels.astype(np.uint32) * 65535 + weight // 2) // weight, 65535).astype(np.uint16)
