"""The partners of a context over integers: symbols go into an entropy encoder, or come out of a decoder."""

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from nic_core.coding import EntropyDecoder, EntropyEncoder, Tables
from nic_core.progress import Count

from nic_latent.integers.arithmetic import rounded_shift, saturated
from nic_latent.integers.executor import run, steps_below
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.layers import Add
from nic_latent.orders.context import Params, Scan, drive

LATENT_GRID = 12
"""Where y, means and y_hat lie."""
SCALE_GRID = 16
"""Where scales are compared with the steps of the ladder."""
LARGEST_SYMBOL = (1 << 31 - LATENT_GRID) // 4
"""Latents beyond it are not coded: y_hat must stay within 32 bits."""


SUM = Add((-LATENT_GRID, 0))
"""A symbol and a mean on the latent grid."""

Chosen = tuple[np.ndarray, ...] | slice
"""Positions as an index of arrays (1, h, w, C)."""


@dataclass(frozen=True)
class Gaussians:
    """The tables of y.

    ladder: rising int32 scales on the scale grid; scale s takes the first step that is not below it, or the last.
    tables: one row for each step.
    """

    ladder: np.ndarray
    tables: Tables

    def indexes(self, params: Params, chosen: Chosen = slice(None)) -> np.ndarray:
        """Return int32 rows (1, 1, k, C) for the k chosen positions."""
        scale = of_positions(params.scale, chosen)
        if params.scale_is_index:
            return np.clip(scale.on(0).values, 0, len(self.ladder) - 1)
        return steps_below(self.ladder[:-1], scale.on(SCALE_GRID).values)


class Encode:
    """Rounds y and pushes its symbols.

    y: (1, h, w, C) on the latent grid.
    """

    def __init__(self, y: Fixed, gaussians: Gaussians, encoder: EntropyEncoder, checksum: int) -> None:
        self._y, self._gaussians, self._encoder, self.checksum = y, gaussians, encoder, checksum
        self._count = Count("coding latents", y.values.size)

    def __call__(self, group: Params | Scan) -> Fixed:
        """Return the group of y_hat."""
        if isinstance(group, Scan):
            (y_hat,) = drive(group.steps(), self)
            return y_hat
        chosen = positions(group)
        mean = of_positions(group.mean, chosen).on(LATENT_GRID)
        latents = self._y.values if group.channels is None else self._y.values[..., group.channels]
        latents = latents if group.at is None else latents[:, group.at[0], group.at[1]][:, None]
        y = of_positions(Fixed(latents, LATENT_GRID), chosen)
        symbols = rounded_shift(y.values.astype(np.int64) - mean.values, LATENT_GRID).astype(np.int32)
        self._encoder.push(
            symbols.reshape(-1), self._gaussians.indexes(group, chosen).reshape(-1), self._gaussians.tables
        )
        self.checksum = checksum(symbols, self.checksum)
        self._count.add(symbols.size)
        return y_hat_of(symbols, mean, chosen, group)


class Decode:
    """Pulls the symbols that `Encode` pushed; size: how many there are, 0 if unknown."""

    def __init__(self, gaussians: Gaussians, decoder: EntropyDecoder, checksum: int, size: int = 0) -> None:
        self._gaussians, self._decoder, self.checksum = gaussians, decoder, checksum
        self._count = Count("decoding latents", size)

    def __call__(self, group: Params | Scan) -> Fixed:
        """Return the group of y_hat."""
        if isinstance(group, Scan):
            (y_hat,) = drive(group.steps(), self)
            return y_hat
        chosen = positions(group)
        indexes = self._gaussians.indexes(group, chosen)
        symbols = self._decoder.pull(indexes.reshape(-1), self._gaussians.tables)
        self.checksum = checksum(symbols, self.checksum)
        self._count.add(symbols.size)
        mean = of_positions(group.mean, chosen).on(LATENT_GRID)
        return y_hat_of(symbols.reshape(indexes.shape), mean, chosen, group)


@dataclass(frozen=True)
class Round:
    """Partner of a context that rounds y, of any number of pictures, and codes nothing."""

    y: Fixed

    def __call__(self, group: Params | Scan) -> Fixed:
        """Return the group of y_hat."""
        if isinstance(group, Scan):  # whose means need y_hat first: y itself is rounded, near enough for calibration
            whole = rounded_shift(self.y.values.astype(np.int64), LATENT_GRID)
            y_hat = Fixed(saturated(whole << LATENT_GRID), LATENT_GRID)
            group.whole(y_hat)
            return y_hat
        mean = group.mean.on(LATENT_GRID).values.astype(np.int64)
        y = self.y.values if group.channels is None else self.y.values[..., group.channels]
        y_hat = (rounded_shift(y - mean, LATENT_GRID) << LATENT_GRID) + mean
        if group.parity is not None:
            row, column = np.indices(y.shape[1:3])
            y_hat = y_hat * ((row + column) % 2 == group.parity)[..., None]
        return Fixed(saturated(y_hat), LATENT_GRID)


def positions(params: Params) -> Chosen:
    """Return the index of a group's positions in arrays (1, h, w, C)."""
    return slice(None) if params.parity is None else _colour(*params.mean.values.shape[1:3], params.parity)


@lru_cache(maxsize=16)
def _colour(height: int, width: int, parity: int) -> Chosen:
    row, column = np.indices((height, width))
    return (np.zeros(1, int), *np.nonzero((row + column) % 2 == parity))


def of_positions(value: Fixed, chosen: Chosen) -> Fixed:
    """Return what a value (1, h, w, C) is at the k chosen positions, (1, 1, k, C)."""
    return Fixed(value.values[chosen].reshape(1, 1, -1, value.values.shape[-1]), value.grid)


def y_hat_of(symbols: np.ndarray, mean: Fixed, chosen: Chosen, params: Params) -> Fixed:
    """Return the group that symbols at the chosen positions decode to, zero at others; both directions call it."""
    decoded = run(SUM, symbols, mean.values)
    shape = params.mean.values.shape
    if params.parity is None:
        return Fixed(decoded.reshape(shape), LATENT_GRID)
    y_hat = np.zeros(shape, np.int32)
    y_hat[chosen] = decoded[0, 0]
    return Fixed(y_hat, LATENT_GRID)


def checksum(symbols: np.ndarray, start: int = 0) -> int:
    """Continue a CRC-32 over int32 symbols in little-endian order."""
    return zlib.crc32(np.ascontiguousarray(symbols, "<i4").data, start)
