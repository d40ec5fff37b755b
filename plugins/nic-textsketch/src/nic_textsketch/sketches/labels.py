"""Segmentation maps coded as labels: without loss, at a quarter of each side, by WebP.

A quarter is finer than what segmentation models tell apart, and twice as fine as what a ControlNet makes of its sketch.
What is kept of the WebP file is the payload of its
one chunk: the rest is known.
"""

import io
import struct

import numpy as np
from nic_core.errors import DamagedFile
from PIL import Image, ImageFilter

from nic_textsketch.sketches.ade20k import PALETTE, colours_of, labels_of

SCALE = 4
"""By how much the sides of a map are divided, of which they are multiples."""

ARTIST = ImageFilter.ModeFilter(SCALE + 1)
"""Gives each pixel the label that most around it have: removes specks before, smooths contours after."""

HEAD = struct.Struct("<4sI4s4sI")
"""A WebP file's own header, and that of its chunk."""


def encode(picture: Image.Image) -> tuple[bytes, np.ndarray]:
    """Return a segmentation map in ADE20K's colours, sides multiples of 4, as bytes, and its labels as coded."""
    labels = Image.fromarray(labels_of(np.asarray(picture.convert("RGB")))).filter(ARTIST)
    small = labels.resize((picture.width // SCALE, picture.height // SCALE), Image.Resampling.NEAREST)
    file = io.BytesIO()
    small.save(file, "WEBP", lossless=True, quality=100, method=6)
    data = file.getvalue()
    *_, kind, length = HEAD.unpack_from(data)
    assert kind == b"VP8L"  # what Pillow writes without metadata and alpha
    return data[HEAD.size : HEAD.size + length], np.asarray(small)


def decode(payload: bytes, size: tuple[int, int]) -> np.ndarray:
    """Return the labels of a map of a size (width, height), at a quarter of it; DamagedFile where it is none."""
    whole = payload + b"\0" * (len(payload) % 2)
    head = HEAD.pack(b"RIFF", HEAD.size - 8 + len(whole), b"WEBP", b"VP8L", len(payload))
    wanted = (size[0] // SCALE, size[1] // SCALE)
    try:
        with Image.open(io.BytesIO(head + whole), formats=("WEBP",)) as image:
            if image.size != wanted:
                raise DamagedFile(f"the file's segmentation map is {image.size}, not {wanted}")
            labels = np.asarray(image.convert("RGB"))[..., 0]
    except (OSError, ValueError, SyntaxError) as error:
        raise DamagedFile(f"the file's segmentation map cannot be read: {error}") from error
    if labels.max() >= len(PALETTE):
        raise DamagedFile(f"the file's segmentation map has a class {labels.max()}, there are {len(PALETTE)}")
    return labels


def drawn(labels: np.ndarray) -> Image.Image:
    """Return decoded labels (h, w) as a map of four times their sides, in ADE20K's colours."""
    small = Image.fromarray(labels)
    large = small.resize((small.width * SCALE, small.height * SCALE), Image.Resampling.NEAREST).filter(ARTIST)
    return Image.fromarray(colours_of(np.asarray(large)))
