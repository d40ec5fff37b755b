"""Attention within windows (docs/determinism.md, "Attention")."""

from dataclasses import dataclass

import numpy as np

from nic_latent.integers.arithmetic import INT32, aligned, divided, narrowed, rounded_shift, saturated
from nic_latent.integers.functions import VALUE_GRID, looked_up
from nic_latent.integers.strips import ENTRIES

WEIGHT_GRID = 15
"""Where attention's weights lie before they are divided by their sum; the largest of them is 2**15 - 1."""
LARGEST_WINDOW = 32
LARGEST_WEIGHT = (1 << WEIGHT_GRID) - 1


@dataclass(frozen=True)
class WindowAttention:
    """Softmax attention within windows of any map, (N, h, w, 3C) to (N, h, w, C).

    The channels are queries, keys and values, each by heads. Logits, scaled already, lie on grid 20.

    window: its side, 1 to 32. shift: how far windows are moved down and right, 0 to window - 1.
    narrow, largest: the bits by which queries, keys and values are rounded before they are limited to +-largest.
    bias: int32 ((2 window - 1)**2, heads), added to the logits; row (i + window - 1)(2 window - 1) + j + window - 1
        for a query i rows below and j columns right of the key.
    logit_shift: the bits from the grid of products to grid 20.
    value_bits: bits by which the output's grid is finer than that of narrowed values.

    ValueError where a sum could leave 52 bits, or an output 32.
    """

    heads: int
    window: int
    shift: int
    narrow: tuple[int, int, int]
    largest: int
    bias: np.ndarray
    logit_shift: int
    value_bits: int
    head_width: int

    def __post_init__(self) -> None:
        """Prove that no sum overflows."""
        if not 1 <= self.window <= LARGEST_WINDOW or self.bias.shape != ((2 * self.window - 1) ** 2, self.heads):
            raise ValueError("its window is out of range, or has no bias for each offset and head")
        if len(self.narrow) != 3 or min(self.heads, self.head_width, self.largest) < 1:
            raise ValueError("it has no heads, or no queries, keys and values")
        if not (0 <= self.shift < self.window and min(self.narrow) >= 0 and max(self.narrow) <= 31):
            raise ValueError("its shifts are out of range")
        logits = self.head_width * self.largest**2
        averages = self.window**2 * LARGEST_WEIGHT * self.largest
        if max(logits, averages) >= 1 << 52:
            raise ValueError("its sums may need more than 52 bits")
        if not -9 <= self.logit_shift <= 62 or self.value_bits < 0 or averages << self.value_bits >= 1 << 61:
            raise ValueError("its shifts are out of range")
        if self.largest << self.value_bits > INT32:
            raise ValueError("its outputs may need more than 32 bits")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run the layer."""
        count, height, width, channels = x.shape
        side = self.window
        if channels != 3 * self.heads * self.head_width:
            raise ValueError("attention is called with other channels than those that it was made for")
        x = np.pad(x, ((0, 0), (0, -height % side), (0, -width % side), (0, 0)))
        x = np.roll(x, (-self.shift, -self.shift), (1, 2))
        rows, columns = (self._roles(size) for size in (height, width))
        whole = np.empty((*x.shape[:3], channels // 3), np.int32)
        # What is largest in between are the logits, window**2 for each position and head.
        line = count * side * x.shape[2] * max(channels, self.heads * side**2)
        step = side * max(1, ENTRIES // line)
        for start in range(0, len(rows), step):
            strip = slice(start, start + step)
            whole[:, strip] = self._attend(x[:, strip], rows[strip], columns)
        return np.roll(whole, (self.shift, self.shift), (1, 2))[:, :height, :width]

    def _roles(self, size: int) -> np.ndarray:
        """Return what each line of a padded and shifted axis is: 0 in its place, 1 wrapped around, 2 padding."""
        padded = size + -size % self.window
        line = np.arange(padded) + self.shift
        return np.where(line % padded >= size, 2, line >= padded)

    def _attend(self, x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Attend in some rows of whole windows; rows, columns: their roles."""
        count, height, width, _ = x.shape
        side = self.window
        # (N, rows of windows, columns of windows, positions, 3, heads, channels of a head), then heads first.
        parts = x.reshape(count, height // side, side, width // side, side, 3, self.heads, -1).swapaxes(2, 3)
        parts = parts.reshape(*parts.shape[:3], side * side, 3, self.heads, -1)
        query, key, value = (
            narrowed(parts[..., part, :, :], bits, self.largest).astype(np.float64).swapaxes(-3, -2)
            for part, bits in enumerate(self.narrow)
        )
        roles = (3 * rows[:, None] + columns).reshape(height // side, side, width // side, side).swapaxes(1, 2)
        roles = roles.reshape(height // side, width // side, 1, side * side)
        seen = roles[..., :, None] == roles[..., None, :]
        weights = self._weights((query @ key.swapaxes(-1, -2)).astype(np.int64), seen)
        sums = (weights.astype(np.float64) @ value).astype(np.int64) << self.value_bits
        out = divided(sums, weights.sum(-1, keepdims=True)).astype(np.int32)
        out = out.swapaxes(-3, -2).reshape(count, height // side, width // side, side, side, -1)
        return out.swapaxes(2, 3).reshape(count, height, width, -1)

    def _weights(self, products: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Return the weights of all pairs, not divided by their sum yet; 0 where not seen."""
        logits = saturated(aligned(products, self.logit_shift) + self._position_bias())
        most = np.where(seen, logits, -INT32).max(-1, keepdims=True).astype(np.int64)
        below = np.maximum(most - logits, 0)
        weights = np.minimum(rounded_shift(looked_up("exp", below), VALUE_GRID - WEIGHT_GRID), LARGEST_WEIGHT)
        return np.where(seen, weights, 0)

    def _position_bias(self) -> np.ndarray:
        """Return int64 (heads, window**2, window**2)."""
        side = self.window
        row, column = np.divmod(np.arange(side * side), side)
        offset = (row[:, None] - row + side - 1) * (2 * side - 1) + column[:, None] - column + side - 1
        return self.bias.astype(np.int64)[offset].transpose(2, 0, 1)
