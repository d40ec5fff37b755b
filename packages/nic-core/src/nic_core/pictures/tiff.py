"""TIFF files. Those with more than 8 bits go through tifffile where Pillow, which holds no 16-bit RGB, loses some."""

import io
import logging
import zlib
from collections.abc import Callable

import numpy as np

from nic_core.errors import BadPicture
from nic_core.pictures import metadata, tiff_layout
from nic_core.pictures.bounds import CheckSize
from nic_core.pictures.dpi import same_dpi
from nic_core.pictures.picture import Picture
from nic_core.pictures.tiff_layout import (
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
)

_COMPRESSIONS = (NONE, LZW, DEFLATE, PACKBITS, DEFLATE_OLD, LZMA, ZSTD)
_ASSOCIATED, _UNASSOCIATED = 1, 2
_EXTRA = "nic-core[tiff]"


def decode_deep(data: bytes, check_size: CheckSize, on_pages: Callable[[int], None]) -> Picture | None:
    """Read the first page if it has 9 to 16 bits per sample in gray or RGB; None where Pillow reads it as well.

    on_pages: called with the number of pages, of a file of any depth.
    Fewer than 16 bits are scaled to 16. Premultiplied alpha is divided out. Further channels are dropped.
    BadPicture, or tifffile's error, for a damaged file of any depth, before anything is allocated for its pixels, and
    BadPicture where tifffile is needed and not installed.
    """
    layout = tiff_layout.read(data, check_size)
    on_pages(tiff_layout.pages(data))
    if not 9 <= layout.bits <= 16 or layout.photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB):
        return None
    if not layout.unsigned:
        raise BadPicture("the picture has float or signed values: scale to unsigned 8 or 16 bits first")
    if layout.compression not in _COMPRESSIONS:
        raise BadPicture(f"a compression that is not read at this depth (number {layout.compression})")
    if _is_whole_in_pillow(layout):
        return None
    array = _scale_to_16_bit(_samples(data, layout), layout.bits)
    channels = 3 if layout.photometric == RGB else 1
    pixels = array[..., :channels]
    if layout.photometric == MIN_IS_WHITE:
        pixels = 65535 - pixels
    alpha = None
    for i, meaning in enumerate(layout.extra):
        if meaning in (_ASSOCIATED, _UNASSOCIATED):
            alpha = array[..., channels + i]
            if meaning == _ASSOCIATED:
                pixels = _divide_by_alpha(pixels, alpha)
            break
    tags = metadata.tags_of_tiff(data)
    exif, dpi = metadata.exif_from_tags(tags), metadata.resolution(tags)
    return Picture(pixels, alpha, tags.get(metadata.ICC), exif, tags.get(metadata.XMP), dpi)


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


def encode(picture: Picture) -> bytes:
    """Write a TIFF file with the picture's depth, alpha and metadata, losslessly compressed (deflate, predictor 2)."""
    from PIL import TiffImagePlugin

    array = picture.to_array().reshape(picture.height, picture.width, -1).astype(f"<u{picture.bit_depth // 8}")
    array[:, 1:] -= array[:, :-1].copy()  # the predictor, modulo the type
    pixels = zlib.compress(array.tobytes())
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    described = metadata.tags_for_tiff(picture.exif)
    if picture.dpi and not same_dpi(picture.dpi, metadata.resolution(described)):
        described |= metadata.tags_of_resolution(picture.dpi)
    for tag, value in described.items():
        tags[tag] = value
    tags[256], tags[257] = picture.width, picture.height
    tags[258] = (picture.bit_depth,) * array.shape[2]
    tags[259] = DEFLATE
    tags[262] = RGB if picture.channels == 3 else MIN_IS_BLACK
    tags[273] = 0  # where the one strip starts; Pillow adds the length of what it writes before
    tags[277] = array.shape[2]
    tags[278] = picture.height
    tags[279] = len(pixels)
    tags[284] = 1  # channels interleaved
    tags[317] = 2  # predictor: difference to the pixel on the left
    if picture.alpha is not None:
        tags[338] = _UNASSOCIATED
    if picture.icc:
        tags[metadata.ICC] = picture.icc
    if picture.xmp:
        tags[metadata.XMP] = picture.xmp
    file = io.BytesIO()
    tags.save(file)
    return file.getvalue() + pixels


def _scale_to_16_bit(array: np.ndarray, bits: int) -> np.ndarray:
    if bits == 16:
        return array
    most = (1 << bits) - 1
    return ((array.astype(np.uint32) * 65535 + most // 2) // most).astype(np.uint16)


def _divide_by_alpha(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    weight = np.maximum(alpha, 1).astype(np.uint32)[..., None]
    return np.minimum((pixels.astype(np.uint32) * 65535 + weight // 2) // weight, 65535).astype(np.uint16)
