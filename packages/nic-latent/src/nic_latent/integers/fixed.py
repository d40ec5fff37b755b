"""The value that nets and contexts work on while coding: whole numbers on a grid of powers of two."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nic_latent.integers.arithmetic import saturated
from nic_latent.integers.executor import rescaled, run
from nic_latent.integers.layers import Add


@dataclass(frozen=True)
class Fixed:
    """Numbers values / 2**grid.

    values: int32 (N, h, w, C), channels last; grid: 0 to 30.

    It has the few operations that contexts use on tensors (N, C, h, w) in training, by the same names, so that one
    context serves both: halves and channels of it, and sums.
    """

    values: np.ndarray
    grid: int

    @classmethod
    def of(cls, numbers: np.ndarray, grid: int) -> "Fixed":
        """Return float64 numbers (N, h, w, C) on a grid, ties to even."""
        return cls(saturated(np.rint(np.clip(np.ldexp(numbers, grid), -(2.0**40), 2.0**40)).astype(np.int64)), grid)

    @property
    def numbers(self) -> np.ndarray:
        """What the values stand for, in float64, exactly."""
        return np.ldexp(self.values.astype(np.float64), -self.grid)

    def on(self, grid: int) -> "Fixed":
        """Return the numbers on another grid, rounded where it is coarser."""
        return self if grid == self.grid else Fixed(rescaled(self.values, self.grid - grid), grid)

    def chunk(self, parts: int, dim: int = 1) -> tuple["Fixed", ...]:
        """Return equal parts of the channels; dim is 1, which is where tensors have them."""
        return tuple(Fixed(part, self.grid) for part in np.split(self.values, parts, -1))

    def __getitem__(self, key: tuple[slice, slice]) -> "Fixed":
        """Return channels, as `value[:, start:stop]`."""
        everything, channels = key
        assert everything == slice(None)
        return Fixed(self.values[..., channels], self.grid)

    def __add__(self, other: "Fixed") -> "Fixed":
        """Return the sum on the finer of both grids, saturated."""
        grid = max(self.grid, other.grid)
        return Fixed(run(Add((0, 0)), *(value.on(grid).values for value in (self, other))), grid)


def joined(parts: Sequence[Any], grid: int) -> Fixed:
    """Return values one after another along the channels, on one grid."""
    return Fixed(np.concatenate([part.on(grid).values for part in parts], -1), grid)
