"""TIFF files. Those with more than 8 bits go through tifffile, since Pillow holds no 16-bit RGB."""

import io
import logging
import zlib
from collections.abc import Callable

import numpy as np

from nic_core.errors import BadPicture
from nic_core.pictures import metadata
from nic_core.pictures.picture import Picture

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
_ASSOCIATED, _UNASSOCIATED = 1, 2


def decode_deep(data: bytes, check_size: Callable[[int, int], None]) -> Picture | None:
    """Read the first page if it has 9 to 16 bits per sample in gray or RGB; None where Pillow reads it as well.

    check_size: called with (width, height) before pixels are allocated.
    Fewer than 16 bits are scaled to 16. Premultiplied alpha is divided out. Further channels are dropped.
    BadPicture, or tifffile's error, for a damaged file of any depth.
    """
    import tifffile  # here, as `nic` must start fast

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # or it prints to the terminal
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        check_size(page.imagewidth, page.imagelength)
        ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if not ends or max(ends) > len(data) or not all(page.databytecounts):
            raise BadPicture("the file is cut short")
        if not 9 <= page.bitspersample <= 16 or page.photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
            return None
        if page.sampleformat != 1:
            raise BadPicture("the picture has float or signed values: scale to unsigned 8 or 16 bits first")
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
    return Picture(pixels, alpha, tags.get(metadata.ICC), metadata.exif_from_tags(tags), tags.get(metadata.XMP))


def encode(picture: Picture) -> bytes:
    """Write a TIFF file with the picture's depth, alpha and metadata, losslessly compressed (deflate, predictor 2)."""
    from PIL import TiffImagePlugin

    array = picture.to_array().reshape(picture.height, picture.width, -1).astype(f"<u{picture.bit_depth // 8}")
    array[:, 1:] -= array[:, :-1].copy()  # the predictor, modulo the type
    pixels = zlib.compress(array.tobytes())
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in metadata.tags_for_tiff(picture.exif).items():
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
