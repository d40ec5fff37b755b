"""Layers that sum products: convolutions (docs/determinism.md, "Products").

Sums are exact: whole numbers below 2**53 in float64 are, in whatever order they are added, so BLAS can do the work.
"""

from dataclasses import dataclass

import numpy as np

from nic_latent.arithmetic import rounded_shift, saturated

SUM_BITS = 52
"""No sum of products may need more; checked when a layer is made, for any input."""


@dataclass(frozen=True)
class Products:
    """What convolutions have in common: out = (sum of weight x narrowed input + bias) >> shift, rounded and saturated.

    narrow: for each input, the bits by which it is rounded before it is saturated to +-largest; inputs are joined.
    weight: int16 (outputs, inputs / groups, k, k). bias: int64 (outputs,). shift: int64 (outputs,), 0 to 62.

    ValueError where a sum could leave SUM_BITS.
    """

    narrow: tuple[int, ...]
    largest: int
    weight: np.ndarray
    bias: np.ndarray
    shift: np.ndarray
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        """Prove that no sum overflows."""
        if self.bound() >= 1 << SUM_BITS:
            raise ValueError(f"its sums may need more than {SUM_BITS} bits")
        if self.shift.min() < 0 or self.shift.max() > 62 or min(self.narrow) < 0:
            raise ValueError("its shifts are out of range")

    def bound(self) -> int:
        """Return the largest absolute sum of any output for any input."""
        fan_in = tuple(axis for axis in range(4) if axis != self._outputs_axis)
        sums = np.abs(self.weight.astype(np.int64)).sum(fan_in) * self.largest + np.abs(self.bias)
        return int(sums.max())

    _outputs_axis = 0

    def narrowed(self, inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the inputs joined, in float64."""
        parts = [
            np.clip(rounded_shift(x.astype(np.int64), bits), -self.largest, self.largest)
            for x, bits in zip(inputs, self.narrow, strict=True)
        ]
        return np.concatenate(parts, -1).astype(np.float64)

    def finished(self, sums: np.ndarray) -> np.ndarray:
        """Return what the layer makes of its exact sums."""
        return saturated(rounded_shift(sums.astype(np.int64) + self.bias, self.shift))

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """Run the layer."""
        return self.finished(self.sums(self.narrowed(inputs)))

    def sums(self, x: np.ndarray) -> np.ndarray:
        """Return the exact sums of products in float64, without bias."""
        raise NotImplementedError


@dataclass(frozen=True)
class Conv(Products):
    """A convolution over zeros beyond the border."""

    groups: int = 1

    def sums(self, x: np.ndarray) -> np.ndarray:
        """See `Products.sums`."""
        outputs, _, kernel, _ = self.weight.shape
        pad = (self.padding, self.padding)
        x = np.pad(x, ((0, 0), pad, pad, (0, 0)))
        height, width = ((side - kernel) // self.stride + 1 for side in x.shape[1:3])
        taps = self.weight.astype(np.float64).transpose(2, 3, 1, 0)  # (k, k, I / groups, O)
        sums = np.zeros((len(x), height, width, outputs))
        for i in range(kernel):
            for j in range(kernel):
                rows = slice(i, i + (height - 1) * self.stride + 1, self.stride)
                columns = slice(j, j + (width - 1) * self.stride + 1, self.stride)
                window = np.ascontiguousarray(x[:, rows, columns])
                if self.groups == 1:  # one product for all positions: BLAS likes tall matrices
                    sums += (window.reshape(-1, window.shape[-1]) @ taps[i, j]).reshape(sums.shape)
                else:
                    sums += self._grouped(window, taps[i, j])
        return sums

    def _grouped(self, window: np.ndarray, taps: np.ndarray) -> np.ndarray:
        """Return the products of one tap, group by group."""
        if len(taps) == 1 and taps.shape[1] == self.groups:  # depthwise
            return window * taps[0]
        parts = window.reshape(*window.shape[:3], self.groups, -1)
        weights = taps.reshape(len(taps), self.groups, -1)
        return np.einsum("nhwgi,igo->nhwgo", parts, weights).reshape(*window.shape[:3], -1)


@dataclass(frozen=True)
class Deconv(Products):
    """A transposed convolution that multiplies the sides by its stride: weight (inputs, outputs, k, k)."""

    _outputs_axis = 1

    def sums(self, x: np.ndarray) -> np.ndarray:
        """See `Products.sums`."""
        _, outputs, kernel, _ = self.weight.shape
        count, height, width, _ = x.shape
        step, pad = self.stride, self.padding
        # Room for all that the taps reach; the border of `padding` is cut off, and what no tap reached stays zero.
        whole = np.zeros((count, height * step + kernel + pad, width * step + kernel + pad, outputs))
        taps = self.weight.astype(np.float64).transpose(2, 3, 0, 1)  # (k, k, I, O)
        for i in range(kernel):
            for j in range(kernel):
                reached = whole[:, i : i + height * step : step, j : j + width * step : step]
                reached += x @ taps[i, j]
        return whole[:, pad : pad + height * step, pad : pad + width * step]
