"""A tile of an array to a .nic file and back; what both codecs here share."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import nic_core as nic
import numpy as np


def check(shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Raise ValueError where tiles of a shape and a type cannot be coded."""
    fits = len(shape) == 2 or (len(shape) == 3 and 1 <= shape[2] <= 4)
    if not fits or 0 in shape:
        sizes = " x ".join(map(str, shape)) or "a single number"
        raise ValueError(f"nic codes tiles of height x width, or height x width x 1 to 4 channels, not {sizes}")
    if dtype.kind != "u" or dtype.itemsize > 2:
        raise ValueError(f"nic codes tiles of uint8 or uint16, not {dtype}")


def encoded(tile: np.ndarray, codec: str | None, quality: float | None, options: Mapping[str, Any]) -> bytes:
    """Return the .nic file of a tile, (H, W) or (H, W, 1 to 4), uint8 or uint16; ValueError for others.

    codec: an id, None for the default one. The rest as of `nic_core.Codec.encode`, which raises more.
    """
    check(tile.shape, tile.dtype)
    return _loaded(codec).encode(tile, quality, **options)


def decoded(data: Any, shape: Sequence[int] | None = None) -> np.ndarray:
    """Return the tile in a .nic file, (H, W) where it is gray, otherwise (H, W, C).

    shape: of the tile, where it is known; ValueError for a file of another.
    """
    head = nic.inspect(data)
    if shape is not None and (head.height, head.width) != tuple(shape[:2]):
        raise ValueError(f"the file holds a tile of {head.height} x {head.width}, not of {shape[0]} x {shape[1]}")
    tile = _loaded(head.codec).decode_picture(data).to_array()
    if shape is None:
        return tile
    if tile.size != np.prod(shape):
        raise ValueError(
            f"the file holds a tile of {' x '.join(map(str, tile.shape))}, not of {' x '.join(map(str, shape))}"
        )
    return tile.reshape(shape)


@cache
def _loaded(codec: str | None) -> nic.Codec:
    """Return a codec, looked up once; what it opens is in nic's own cache."""
    return nic.load(codec)
