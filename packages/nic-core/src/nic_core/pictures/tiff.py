"""TIFF files. Those with more than 8 bits go through tifffile, since Pillow holds no 16-bit RGB."""

import io
import logging
import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from nic_core.errors import BadPicture
from nic_core.pictures import metadata
from nic_core.pictures.bounds import CheckSize
from nic_core.pictures.picture import Picture

_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _YCBCR = 0, 1, 2, 6
_COMPRESSIONS = (1, 5, 8, 32773, 32946, 34925, 50000)  # none, LZW, deflate, PackBits, deflate, LZMA, Zstandard
_MOST_GROWTH = {1: 1, 5: 4096, 8: 1040, 32773: 64, 32946: 1040}  # what one byte can become; of others, anything
_MOST_SAMPLES = 16
_SIZES = {256, 257, 258, 259, 262, 277, 278, 284, 322, 323, 339, 32997, 32998}  # tags that say how much is stored
_LARGEST_SMALL_TILE = 1 << 24  # pixels of a tile that may be larger than the picture
_ASSOCIATED, _UNASSOCIATED = 1, 2


def decode_deep(data: bytes, check_size: CheckSize, on_pages: Callable[[int], None]) -> Picture | None:
    """Read the first page if it has 9 to 16 bits per sample in gray or RGB; None where Pillow reads it as well.

    on_pages: called with the number of pages, of a file of any depth.
    Fewer than 16 bits are scaled to 16. Premultiplied alpha is divided out. Further channels are dropped.
    BadPicture, or tifffile's error, for a damaged file of any depth, before anything is allocated for its pixels.
    """
    import tifffile  # here, as `nic` must start fast

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # or it prints to the terminal
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        _check(page, len(data), check_size)
        on_pages(len(file.pages))
        if not 9 <= page.bitspersample <= 16 or page.photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
            return None
        if page.sampleformat != 1:
            raise BadPicture("the picture has float or signed values: scale to unsigned 8 or 16 bits first")
        if page.compression not in _COMPRESSIONS:
            raise BadPicture(f"a compression that is not read at this depth ({page.compression!r})")
        array = page.asarray()
        if page.planarconfig == 2 and page.samplesperpixel > 1:
            array = np.moveaxis(array, 0, -1)
        array = array.reshape(page.imagelength, page.imagewidth, page.samplesperpixel).astype(np.uint16)
        photometric, extra, bits = page.photometric, tuple(page.extrasamples), page.bitspersample
    array = _scale_to_16_bit(array, bits)
    channels = 3 if photometric == _RGB else 1
    pixels = array[..., :channels]
    if photometric == _MIN_IS_WHITE:
        pixels = 65535 - pixels
    alpha = None
    for i, meaning in enumerate(extra):
        if meaning in (_ASSOCIATED, _UNASSOCIATED):
            alpha = array[..., channels + i]
            if meaning == _ASSOCIATED:
                pixels = _divide_by_alpha(pixels, alpha)
            break
    tags = metadata.tags_of_tiff(data)
    exif, dpi = metadata.exif_from_tags(tags), metadata.resolution(tags)
    return Picture(pixels, alpha, tags.get(metadata.ICC), exif, tags.get(metadata.XMP), dpi)


def _check(page: Any, length: int, check_size: CheckSize) -> None:
    """Raise BadPicture where a page claims more than it can have, so that what reads it allocates within bounds."""
    pixels = page.imagewidth * page.imagelength
    check_size(page.imagewidth, page.imagelength)
    codes = [tag.code for tag in page.tags if tag.code in _SIZES]
    if len(set(codes)) < len(codes):
        raise BadPicture("the file is damaged: it states the same thing twice")  # and readers differ on which counts
    if page.imagedepth != 1 or page.tiledepth != 1:
        raise BadPicture("it is a volume, not a picture")
    if page.samplesperpixel > _MOST_SAMPLES:
        raise BadPicture(f"it has {page.samplesperpixel} samples a pixel, and more than {_MOST_SAMPLES} are not read")
    if page.is_tiled and page.tilewidth * page.tilelength > max(_LARGEST_SMALL_TILE, 4 * pixels):
        raise BadPicture("the file is damaged: its tiles are far larger than the picture")
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    growth = _MOST_GROWTH.get(page.compression, length)
    asked = 0 if page.photometric == _YCBCR else pixels * page.samplesperpixel * page.bitspersample // 8
    if (
        len(ends) < math.prod(page.chunked)
        or max(ends) > length
        or not all(page.databytecounts)
        or asked > growth * sum(page.databytecounts)
    ):
        raise BadPicture("the file is cut short")


def encode(picture: Picture) -> bytes:
    """Write a TIFF file with the picture's depth, alpha and metadata, losslessly compressed (deflate, predictor 2)."""
    from PIL import TiffImagePlugin

    array = picture.to_array().reshape(picture.height, picture.width, -1).astype(f"<u{picture.bit_depth // 8}")
    array[:, 1:] -= array[:, :-1].copy()  # the predictor, modulo the type
    pixels = zlib.compress(array.tobytes())
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    described = metadata.tags_for_tiff(picture.exif)
    if picture.dpi and not metadata.same_dpi(picture.dpi, metadata.resolution(described)):
        described |= metadata.tags_of_resolution(picture.dpi)
    for tag, value in described.items():
        tags[tag] = value
    tags[256], tags[257] = picture.width, picture.height
    tags[258] = (picture.bit_depth,) * array.shape[2]
    tags[259] = 8  # deflate
    tags[262] = _RGB if picture.channels == 3 else _MIN_IS_BLACK
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
