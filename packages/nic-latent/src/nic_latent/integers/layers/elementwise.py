"""Layers that treat every value alike (docs/determinism.md, "Values one by one")."""

from dataclasses import dataclass

import numpy as np

from nic_latent.integers.arithmetic import INT32, aligned, rounded_shift, saturated
from nic_latent.integers.strips import by_strips

LIMIT = 1 << 62
"""No sum and no product may be larger; checked when a layer is made, for any input."""


@dataclass(frozen=True)
class Leaky:
    """Values below zero times slope / 2**16, rounded; slope 0 is ReLU.

    ValueError for a slope beyond +-1.
    """

    slope: int

    def __post_init__(self) -> None:
        """Prove that the results fit."""
        if abs(self.slope) > 1 << 16:
            raise ValueError("its slope is beyond +-1")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run the layer."""
        return by_strips(self._run, x) if self.slope else np.maximum(x, 0)

    def _run(self, x: np.ndarray) -> np.ndarray:
        return np.where(x < 0, rounded_shift(x.astype(np.int64) * self.slope, 16).astype(np.int32), x)


@dataclass(frozen=True)
class Add:
    """The sum of values of one shape, saturated; one row, column or position serves all of its axis.

    shifts: for each input, the bits by which it is rounded to the output's grid, or shifted left where negative.

    ValueError where a sum could leave 62 bits.
    """

    shifts: tuple[int, ...]

    def __post_init__(self) -> None:
        """Prove that no sum overflows."""
        if min(self.shifts) < -30 or max(self.shifts) > 62:
            raise ValueError("its shifts are out of range")
        if sum(INT32 << max(-shift, 0) for shift in self.shifts) > LIMIT:
            raise ValueError("its sums may need more than 62 bits")

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """Run the layer."""
        return by_strips(self._run, *inputs)

    def _run(self, *inputs: np.ndarray) -> np.ndarray:
        first, *others = (aligned(x, shift) for x, shift in zip(inputs, self.shifts, strict=True))
        for other in others:
            first = first + other
        return saturated(first)


@dataclass(frozen=True)
class Multiply:
    """The product of two values, >> shift (0 to 62), rounded and saturated; shapes as for `Add`."""

    shift: int

    def __post_init__(self) -> None:
        """Check the shift."""
        if not 0 <= self.shift <= 62:
            raise ValueError("its shift is out of range")

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Run the layer."""
        return by_strips(self._run, x, y)

    def _run(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return saturated(rounded_shift(x.astype(np.int64) * y, self.shift))


@dataclass(frozen=True)
class Affine:
    """(value x weight + bias) >> shift, rounded and saturated, with a weight and a bias for each channel.

    weight: int32 (C,). bias: int64 (C,). shift: 0 to 62.

    ValueError where a sum could leave 62 bits.
    """

    weight: np.ndarray
    bias: np.ndarray
    shift: int

    def __post_init__(self) -> None:
        """Prove that no sum overflows."""
        if not 0 <= self.shift <= 62:
            raise ValueError("its shift is out of range")
        # In Python's integers, which cannot overflow themselves.
        pairs = zip(self.weight.tolist(), self.bias.tolist(), strict=True)
        if max(abs(weight) * INT32 + abs(bias) for weight, bias in pairs) > LIMIT:
            raise ValueError("its sums may need more than 62 bits")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run the layer."""
        return by_strips(self._run, x)

    def _run(self, x: np.ndarray) -> np.ndarray:
        if x.shape[-1] != len(self.weight):
            raise ValueError("gains are called with other channels than those that they were made for")
        return saturated(rounded_shift(x.astype(np.int64) * self.weight + self.bias, self.shift))
