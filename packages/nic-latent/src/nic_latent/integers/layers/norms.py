"""Layers that divide by what they sum: norms and pooling (docs/determinism.md, "Normalisation")."""

from dataclasses import dataclass

import numpy as np

from nic_latent.integers.arithmetic import divided, narrowed, normal_root, reciprocal, rounded_shift, saturated
from nic_latent.integers.strips import by_strips

NORMAL_GRID = 16
"""Where normalised values lie before their gains."""


@dataclass(frozen=True)
class Norm:
    """(value - mean) / standard deviation over the channels of each position, then a gain and a bias for each.

    narrow, largest: the bits by which inputs are rounded before they are limited to +-largest.
    epsilon: added to the variance times C**2, at least 1.
    gain: int32 (C,). bias: int64 (C,). shift: 0 to 62, of the sum of both.

    ValueError where a sum could leave 62 bits.
    """

    narrow: int
    largest: int
    epsilon: int
    gain: np.ndarray
    bias: np.ndarray
    shift: int

    def __post_init__(self) -> None:
        """Prove that no sum overflows."""
        channels = len(self.gain)
        if min(self.epsilon, self.largest) < 1 or not 0 <= self.narrow <= 31 or not 0 <= self.shift <= 62:
            raise ValueError("its epsilon is below 1, or its shifts are out of range")
        if (channels * self.largest) ** 2 + self.epsilon >= 1 << 62 or 2 * channels * self.largest > 1 << 31:
            raise ValueError("its variances may need more than 62 bits")
        # A normalised value is at most sqrt(C), and the root that divides it is off by less than 2**-29 of itself.
        most = (channels + 1) << NORMAL_GRID
        pairs = zip(self.gain.tolist(), self.bias.tolist(), strict=True)
        if max(abs(gain) * most + abs(bias) for gain, bias in pairs) >= 1 << 62:
            raise ValueError("its sums may need more than 62 bits")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run the layer."""
        return by_strips(self._run, x)

    def _run(self, x: np.ndarray) -> np.ndarray:
        channels = len(self.gain)
        if x.shape[-1] != channels:
            raise ValueError("a norm is called with other channels than those that it was made for")
        x = narrowed(x, self.narrow, self.largest)
        total, squares = x.sum(-1, keepdims=True), (x * x).sum(-1, keepdims=True)
        root, z = normal_root(channels * squares - total * total + self.epsilon)
        normal = rounded_shift((channels * x - total) * reciprocal(root), 61 - NORMAL_GRID - z)
        return saturated(rounded_shift(normal * self.gain + self.bias, self.shift))


@dataclass(frozen=True)
class Pool:
    """The mean over all positions, (N, h, w, C) to (N, 1, 1, C), rounded; at most 2**31 positions."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run the layer."""
        total = x.sum((1, 2), dtype=np.int64, keepdims=True)
        return divided(total, x.shape[1] * x.shape[2]).astype(np.int32)


@dataclass(frozen=True)
class Divisive:
    """What GDN and its inverse have in common: n = sum over channels of weight x square + bias, at each position.

    narrow, largest: as for `Norm`, for the inputs that are squared.
    weight: int32 (C, C), outputs first, none below 0. bias: int64 (C,), at least 1. shift: int64 (C,).

    ValueError where a sum could leave 52 bits, or a shift its range.
    """

    narrow: int
    largest: int
    weight: np.ndarray
    bias: np.ndarray
    shift: np.ndarray

    shifts = range(33)
    """What `shift` may be: with 0 to 30 more it must stay within 0 to 62."""

    def __post_init__(self) -> None:
        """Prove that no sum overflows."""
        if self.weight.shape != 2 * self.bias.shape or self.shift.shape != self.bias.shape or self.largest < 1:
            raise ValueError("it has not one weight for each two channels, one bias and one shift for each")
        sums = self.weight.astype(object).sum(1) * self.largest**2 + self.bias
        if max(sums) >= 1 << 52 or self.weight.min() < 0 or self.bias.min() < 1:
            raise ValueError("its sums may need more than 52 bits, or be below 1")
        if not 0 <= self.narrow <= 31 or {int(self.shift.min()), int(self.shift.max())} - set(self.shifts):
            raise ValueError("its shifts are out of range")

    def sums(self, x: np.ndarray) -> np.ndarray:
        """Return n."""
        squares = np.square(narrowed(x, self.narrow, self.largest).astype(np.float64))
        return (squares @ self.weight.T.astype(np.float64)).astype(np.int64) + self.bias

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run the layer."""
        return by_strips(self._run, x)

    def _run(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError


@dataclass(frozen=True)
class Gdn(Divisive):
    """value / sqrt(n): value x reciprocal(root) >> shift - z, rounded and saturated."""

    shifts = range(30, 63)

    def _run(self, x: np.ndarray) -> np.ndarray:
        root, z = normal_root(self.sums(x))
        return saturated(rounded_shift(x * reciprocal(root), self.shift - z))


@dataclass(frozen=True)
class InverseGdn(Divisive):
    """value x sqrt(n): value x root >> shift + z, rounded and saturated."""

    def _run(self, x: np.ndarray) -> np.ndarray:
        root, z = normal_root(self.sums(x))
        return saturated(rounded_shift(x * root, self.shift + z))
