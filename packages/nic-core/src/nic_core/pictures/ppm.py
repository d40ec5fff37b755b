"""PPM and PGM files as they are mostly written: rows of plain bytes after a short head (P5 is gray, P6 RGB).

The other kinds, P1 to P4, are text or one bit a pixel; Pillow reads those.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from nic_core import progress
from nic_core.errors import BadPicture
from nic_core.pictures.content import Content
from nic_core.pictures.picture import RowPicture
from nic_core.pictures.strips import BAND, Strips, bands

_CHANNELS = {b"P5": 1, b"P6": 3}
_LONGEST_HEAD = 1 << 16  # bytes, comments among them
_MOST_DIGITS = 10
_SPACE = b" \t\n\v\f\r"


@dataclass(frozen=True)
class Header:
    """What a file begins with: pixels, channels, the value that stands for full, and where the rows start."""

    width: int
    height: int
    channels: int
    most: int
    start: int

    @property
    def type(self) -> np.dtype:
        """Of the samples as they are stored."""
        return np.dtype(np.uint8 if self.most < 256 else ">u2")

    @property
    def stride(self) -> int:
        """Bytes of a row."""
        return self.width * self.channels * self.type.itemsize


def header(content: Content) -> Header | None:
    """Return what a file of P5 or P6 begins with, None for one of another kind; BadPicture where it is damaged."""
    head = content[:_LONGEST_HEAD]
    if head[:2] not in _CHANNELS:
        return None
    numbers, position = [], 2
    for _ in range(3):
        number, position = _number(head, position)
        numbers.append(number)
    width, height, most = numbers
    if not width or not height:
        raise BadPicture(f"the file is damaged: a size of {width} x {height}")
    if not 0 < most < 1 << 16:
        raise BadPicture(f"the file is damaged: a largest value of {most}")
    return Header(width, height, _CHANNELS[head[:2]], most, position + 1)


def rows(content: Content, head: Header) -> RowPicture:
    """Read a file's rows when they are asked for; BadPicture where it is cut short.

    Up to 8 bits become 8, more become 16: the largest value that the file states becomes 255 or 65535.
    """
    if head.start + head.height * head.stride > len(content):
        raise BadPicture("the file is cut short")
    scaled = _scaling(head.most)

    def made() -> Iterator[np.ndarray]:
        band = max(1, BAND // (head.width * head.channels))
        for first in range(0, head.height, band):
            count = min(band, head.height - first)
            start = head.start + first * head.stride
            data = content[start : start + count * head.stride]
            yield scaled(np.frombuffer(data, head.type).reshape(count, head.width, head.channels))

    shape = head.height, head.width, head.channels
    return RowPicture(Strips(shape, head.type.newbyteorder("="), made))


def save(picture: RowPicture, file: BinaryIO) -> None:
    """Write a file with the picture's pixels, upright, and its depth.

    `nic_core.progress.note` says what is left out.
    """
    picture = picture.upright()
    left = [name for name, block in (("profile", picture.icc), ("EXIF", picture.exif), ("XMP", picture.xmp)) if block]
    if left:
        progress.note(f"{', '.join(left)}: left out, as PPM holds no metadata")
    kind = {channels: kind for kind, channels in _CHANNELS.items()}[picture.channels]
    file.write(b"%s\n%d %d\n%d\n" % (kind, picture.width, picture.height, (1 << picture.bit_depth) - 1))
    for _, part in bands(picture.pixels):
        file.write(part.astype(part.dtype.newbyteorder(">"), order="C").data)


def _scaling(most: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of samples whose largest value is `most`; larger ones, which are not valid, become full."""
    dtype = np.dtype(np.uint8 if most < 256 else np.uint16)
    full = 255 if most < 256 else 65535
    if most == full:
        return lambda samples: samples.astype(dtype)
    values = np.round(np.arange(full + 1) / most * full).clip(0, full).astype(dtype)  # as Pillow computes them
    return lambda samples: values[samples]


def _number(head: bytes, position: int) -> tuple[int, int]:
    """Return the number after white space and comments from a position, and where it ends."""
    while position < len(head) and head[position] in _SPACE + b"#":
        if head[position] == ord("#"):
            ends = [end for end in (head.find(b"\n", position), head.find(b"\r", position)) if end >= 0]
            position = min(ends, default=len(head) - 1)
        position += 1
    end = position
    while end < len(head) and head[end] in b"0123456789":
        end += 1
    if end == position or end - position > _MOST_DIGITS or head[end : end + 1] not in [bytes([c]) for c in _SPACE]:
        raise BadPicture("the file is damaged or cut short: its head is no row of numbers")
    return int(head[position:end]), end
