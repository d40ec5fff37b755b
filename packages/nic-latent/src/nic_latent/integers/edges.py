"""What nets see beyond the borders of a tile that is no whole picture: its own values, mirrored.

Beyond a picture's borders there are zeros, and nets have learnt that latents are different there. Within a picture they
are not: with zeros there, tiles would cost several times more bits (tools/benchmarks/seams.py --zeros).
"""

from dataclasses import dataclass

import numpy as np
from nic_core.format.tiling import Area

from nic_latent.integers.fixed import Fixed

MARGIN = 4
"""Positions that are mirrored, at the scale of a net's inputs: whole windows of attention, and whole colours."""


@dataclass(frozen=True)
class Edges:
    """On which sides a tile has neighbours."""

    top: bool = False
    bottom: bool = False
    left: bool = False
    right: bool = False

    @classmethod
    def of(cls, tile: Area, picture: Area) -> "Edges":
        """Return those of a tile of a picture, both with padding."""
        return cls(tile.y > picture.y, tile.bottom < picture.bottom, tile.x > picture.x, tile.right < picture.right)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self.top or self.bottom or self.left or self.right

    def extended(self, value: Fixed) -> Fixed:
        """Return a value (1, h, w, C) with its rows and columns mirrored on these sides."""
        rows = _mirrored(value.values.shape[1], self.top, self.bottom)
        columns = _mirrored(value.values.shape[2], self.left, self.right)
        return Fixed(np.ascontiguousarray(value.values[:, rows][:, :, columns]), value.grid)

    def cut(self, value: Fixed, by: int) -> Fixed:
        """Return what a net makes of extended values without what it makes of the mirrored part.

        by: how many times larger its output is than its inputs.
        """
        margin, (height, width) = MARGIN * by, value.values.shape[1:3]
        rows = slice(margin * self.top, height - margin * self.bottom)
        columns = slice(margin * self.left, width - margin * self.right)
        return Fixed(np.ascontiguousarray(value.values[:, rows, columns]), value.grid)


NO_EDGES = Edges()
"""Of a whole picture."""


def _mirrored(count: int, before: bool, after: bool) -> np.ndarray:
    """Return which of `count` positions lie side by side: mirrored at the first and the last, which come but once."""
    place = np.arange(-MARGIN * before, count + MARGIN * after)
    period = max(1, 2 * (count - 1))
    return np.minimum(place % period, -place % period)
