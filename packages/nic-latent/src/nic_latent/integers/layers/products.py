"""Layers that sum products: convolutions (docs/determinism.md, "Products").

Sums are exact: whole numbers below 2**53 in float64 are, in whatever order they are added, so BLAS can do the work.
"""

from dataclasses import dataclass

import numpy as np

from nic_latent.integers.arithmetic import INT32, narrowed, rounded_shift
from nic_latent.integers.strips import ENTRIES

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
        kernel = self.weight.shape[2]
        if (
            self.weight.ndim != 4
            or self.weight.shape[3] != kernel
            or self.stride < 1
            or not 0 <= self.padding <= kernel
        ):
            raise ValueError("its kernel is not square, or its stride or padding is out of range")
        if self.shift.min() < 0 or self.shift.max() > 62 or min(self.narrow) < 0:
            raise ValueError("its shifts are out of range")

    def bound(self) -> int:
        """Return the largest absolute sum of any output for any input."""
        fan_in = tuple(axis for axis in range(4) if axis != self._outputs_axis)
        sums = np.abs(self.weight.astype(np.int64)).sum(fan_in) * self.largest + np.abs(self.bias)
        return int(sums.max())

    _outputs_axis = 0

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """Return the output's height and width."""
        raise NotImplementedError

    def sums(self, inputs: tuple[np.ndarray, ...], first: int, stop: int) -> np.ndarray:
        """Return the exact sums of products in float64, without bias, for the output's rows first to stop - 1."""
        raise NotImplementedError

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """Run the layer, some rows at a time."""
        count, height, width, _ = inputs[0].shape
        height, width = self.sides(height, width)
        outputs = self.weight.shape[self._outputs_axis]
        if min(height, width) < 1:
            raise ValueError("a convolution is called with less than its kernel")
        # Halos are computed twice, so strips are not made thinner than they need be.
        rows = max(16, ENTRIES // (count * width * max(outputs, *(x.shape[-1] for x in inputs))))
        out = np.empty((count, height, width, outputs), np.int32)
        for first in range(0, height, rows):
            stop = min(first + rows, height)
            out[:, first:stop] = self._finished(self.sums(inputs, first, stop))
        return out

    def _finished(self, sums: np.ndarray) -> np.ndarray:
        """Return what the layer makes of its exact sums, in 64 bits."""
        whole = sums.astype(np.int64)
        whole += self.bias
        whole = rounded_shift(whole, self.shift)
        return np.clip(whole, -INT32, INT32, out=whole)

    def _narrowed(self, inputs: tuple[np.ndarray, ...], rows: slice) -> np.ndarray:
        """Return rows of the inputs joined, in float64."""
        shape = inputs[0][:, rows].shape[:3]
        joined = np.empty((*shape, sum(x.shape[-1] for x in inputs)))
        start = 0
        for x, bits in zip(inputs, self.narrow, strict=True):
            joined[..., start : start + x.shape[-1]] = narrowed(x[:, rows], bits, self.largest)
            start += x.shape[-1]
        return joined

    def _taps(self, axes: tuple[int, ...]) -> np.ndarray:
        """Return the weights in float64, their axes in this order; in memory too, or numpy would not call BLAS."""
        return np.ascontiguousarray(self.weight.transpose(axes), np.float64)


@dataclass(frozen=True)
class Conv(Products):
    """A convolution over zeros beyond the border."""

    groups: int = 1

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """See `Products.sides`."""
        reach = 2 * self.padding - self.weight.shape[2]
        return (height + reach) // self.stride + 1, (width + reach) // self.stride + 1

    def sums(self, inputs: tuple[np.ndarray, ...], first: int, stop: int) -> np.ndarray:
        """See `Products.sums`."""
        (height, width), kernel, step, pad = inputs[0].shape[1:3], self.weight.shape[2], self.stride, self.padding
        top, bottom = first * step - pad, (stop - 1) * step - pad + kernel
        x = self._narrowed(inputs, slice(max(top, 0), max(bottom, 0)))
        above, below = max(0, -top), max(0, bottom - height)
        x = np.pad(x, ((0, 0), (above, below), (pad, pad), (0, 0))) if pad else x
        columns = self.sides(height, width)[1]
        taps = self._taps((2, 3, 1, 0))  # (k, k, I / groups, O)
        sums = np.zeros((len(x), stop - first, columns, taps.shape[-1]))
        for i in range(kernel):
            for j in range(kernel):
                window = x[:, i : i + (stop - first - 1) * step + 1 : step, j : j + (columns - 1) * step + 1 : step]
                if self.groups == 1:  # one product for all positions: BLAS likes tall matrices
                    sums += (np.ascontiguousarray(window).reshape(-1, x.shape[-1]) @ taps[i, j]).reshape(sums.shape)
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
    """A transposed convolution that multiplies the sides by its stride: weight (inputs, outputs, k, k), k >= stride."""

    _outputs_axis = 1

    def __post_init__(self) -> None:
        """Prove that no sum overflows."""
        super().__post_init__()
        if self.weight.shape[2] < self.stride:
            raise ValueError("its kernel leaves gaps")

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """See `Products.sides`."""
        return height * self.stride, width * self.stride

    def sums(self, inputs: tuple[np.ndarray, ...], first: int, stop: int) -> np.ndarray:
        """See `Products.sums`."""
        height, kernel, step, pad = inputs[0].shape[1], self.weight.shape[2], self.stride, self.padding
        # Input row r reaches output rows r step - pad to r step - pad + kernel - 1.
        bottom = min(height, (stop - 1 + pad) // step + 1)
        top = max(0, min(-((kernel - 1 - pad - first) // step), bottom - 1))
        x = self._narrowed(inputs, slice(top, bottom))
        count, height, width, channels = x.shape
        taps = self._taps((2, 3, 0, 1))  # (k, k, I, O)
        # Room for all that the taps reach; the borders are cut off, and what no tap reached stays zero.
        whole = np.zeros((count, height * step + kernel + pad, width * step + kernel + pad, taps.shape[-1]))
        for i in range(kernel):
            for j in range(kernel):
                reached = whole[:, i : i + height * step : step, j : j + width * step : step]
                reached += (x.reshape(-1, channels) @ taps[i, j]).reshape(reached.shape)
        above = first + pad - top * step
        return whole[:, above : above + stop - first, pad : pad + width * step]
