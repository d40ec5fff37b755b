"""Writing TIFF files of any depth, losslessly compressed, some rows at a time."""

import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import TiffImagePlugin

from nic_core.ahead import ahead
from nic_core.pictures import metadata
from nic_core.pictures.dpi import same_dpi
from nic_core.pictures.picture import RowPicture
from nic_core.pictures.tiff.directory import Form
from nic_core.pictures.tiff.layout import DEFLATE, MIN_IS_BLACK, RGB

_STRIP = 1 << 20  # bytes, about, of a strip before compression
_LARGEST_CLASSIC = (1 << 32) - (1 << 24)  # bytes of pixels for which places of 32 bits are enough, with all around them
_UNASSOCIATED = 2
_OFFSETS, _COUNTS = 273, 279
_HEADS = {False: b"II*\0\x08\0\0\0", True: b"II+\0\x08\0\0\0" + bytes([16, 0, 0, 0, 0, 0, 0, 0])}


def save(picture: RowPicture, file: BinaryIO) -> None:
    """Write a TIFF file with the picture's depth, alpha and metadata (deflate, predictor 2).

    file: where it may go back; that it begins at 0 is presumed. Where more than 4 GiB could be needed it is a BigTIFF.
    """
    stride = picture.width * picture.samples * picture.bit_depth // 8
    rows = min(picture.height, max(1, _STRIP // stride))
    starts = range(0, picture.height, rows)
    extent = picture.height * stride + 16 * len(starts) + sum(len(b or b"") for b in (picture.icc, picture.xmp))
    form = Form("<", extent > _LARGEST_CLASSIC)
    head = _head(form, picture, rows, [0] * len(starts), [0] * len(starts))
    file.write(head)

    def parts() -> Iterator[np.ndarray]:
        for first in starts:
            yield picture.rows(first, min(first + rows, picture.height))

    counts = []
    for packed in ahead(_packed, parts(), len(starts)):
        file.write(packed)
        counts.append(len(packed))
    offsets = np.cumsum([0, *counts])[:-1].tolist()
    file.seek(0)
    file.write(_head(form, picture, rows, offsets, counts))
    file.seek(0, 2)


def _packed(rows: np.ndarray) -> bytes:
    """Return a strip as it is stored. rows: (h, W, C)."""
    rows = rows.astype(rows.dtype.newbyteorder("<"), order="C")
    rows[:, 1:] -= rows[:, :-1].copy()  # the predictor, modulo the type
    return zlib.compress(rows.data)


def _head(form: Form, picture: RowPicture, rows: int, offsets: list[int], counts: list[int]) -> bytes:
    """Return what comes before the pixels; rows: of a strip. offsets: from the end of what is returned.

    Its length does not depend on the offsets and counts.
    """
    tags = TiffImagePlugin.ImageFileDirectory_v2(_HEADS[form.big])
    described = metadata.tags_for_tiff(picture.exif)
    if picture.dpi and not same_dpi(picture.dpi, metadata.resolution(described)):
        described |= metadata.tags_of_resolution(picture.dpi)
    for tag, value in described.items():
        tags[tag] = value
    tags[256], tags[257] = picture.width, picture.height
    tags[258] = (picture.bit_depth,) * picture.samples
    tags[259] = DEFLATE
    tags[262] = RGB if picture.channels == 3 else MIN_IS_BLACK
    tags[277] = picture.samples
    tags[278] = rows
    tags[284] = 1  # channels interleaved
    tags[317] = 2  # predictor: difference to the pixel on the left
    if picture.alpha is not None:
        tags[338] = _UNASSOCIATED
    if picture.icc:
        tags[metadata.ICC] = picture.icc
    if picture.xmp:
        tags[metadata.XMP] = picture.xmp
    for tag, numbers in ((_OFFSETS, offsets), (_COUNTS, counts)):
        tags.tagtype[tag] = 16 if form.big else 4  # whatever the numbers are
        tags[tag] = tuple(numbers)
    file = io.BytesIO()
    tags.save(file)  # adds the length of all this to the offsets
    return file.getvalue()
