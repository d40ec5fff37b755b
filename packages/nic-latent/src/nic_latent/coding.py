"""The partners of a context over integers: symbols go into an entropy encoder, or come out of a decoder."""

import zlib
from dataclasses import dataclass

import numpy as np
from nic_core.coding import EntropyDecoder, EntropyEncoder, Tables

from nic_latent.arithmetic import rounded_shift, saturated
from nic_latent.context import Params, Scan, drive
from nic_latent.executor import run, steps_below
from nic_latent.fixed import Fixed
from nic_latent.layers import Add

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
        """Return int32 rows, shaped like the scales of the chosen positions."""
        if params.scale_is_index:
            return np.clip(params.scale.on(0).values[chosen], 0, len(self.ladder) - 1)
        return steps_below(self.ladder[:-1], params.scale.on(SCALE_GRID).values[chosen])


class Encode:
    """Rounds y and pushes its symbols.

    y: (1, h, w, C) on the latent grid.
    """

    def __init__(self, y: Fixed, gaussians: Gaussians, encoder: EntropyEncoder, checksum: int) -> None:
        self._y, self._gaussians, self._encoder, self.checksum = y, gaussians, encoder, checksum

    def __call__(self, group: Params | Scan) -> Fixed:
        """Return the group of y_hat."""
        if isinstance(group, Scan):
            (y_hat,) = drive(group.steps(), self)
            return y_hat
        mean, chosen = group.mean.on(LATENT_GRID).values, positions(group)
        y = self._y.values if group.channels is None else self._y.values[..., group.channels]
        y = y if group.at is None else y[:, group.at[0], group.at[1]][:, None]
        symbols = rounded_shift(y[chosen].astype(np.int64) - mean[chosen], LATENT_GRID)
        symbols = symbols.astype(np.int32)
        self._encoder.push(
            symbols.reshape(-1), self._gaussians.indexes(group, chosen).reshape(-1), self._gaussians.tables
        )
        self.checksum = checksum(symbols, self.checksum)
        return y_hat_of(symbols, mean, chosen)


class Decode:
    """Pulls the symbols that `Encode` pushed."""

    def __init__(self, gaussians: Gaussians, decoder: EntropyDecoder, checksum: int) -> None:
        self._gaussians, self._decoder, self.checksum = gaussians, decoder, checksum

    def __call__(self, group: Params | Scan) -> Fixed:
        """Return the group of y_hat."""
        if isinstance(group, Scan):
            (y_hat,) = drive(group.steps(), self)
            return y_hat
        mean, chosen = group.mean.on(LATENT_GRID).values, positions(group)
        indexes = self._gaussians.indexes(group, chosen)
        symbols = self._decoder.pull(indexes.reshape(-1), self._gaussians.tables)
        self.checksum = checksum(symbols, self.checksum)
        return y_hat_of(symbols.reshape(indexes.shape), mean, chosen)


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
    if params.parity is None:
        return slice(None)
    row, column = np.indices(params.mean.values.shape[1:3])
    return (np.zeros(1, int), *np.nonzero((row + column) % 2 == params.parity))


def y_hat_of(symbols: np.ndarray, mean: np.ndarray, chosen: Chosen) -> Fixed:
    """Return the group that symbols at the chosen positions decode to, zero at others; both directions call it."""
    mean_of_chosen = mean[chosen]
    decoded = run(SUM, *(x.reshape(1, 1, -1, mean.shape[-1]) for x in (symbols, mean_of_chosen)))
    y_hat = np.zeros(mean.shape, np.int32)
    y_hat[chosen] = decoded.reshape(mean_of_chosen.shape)
    return Fixed(y_hat, LATENT_GRID)


def checksum(symbols: np.ndarray, start: int = 0) -> int:
    """Continue a CRC-32 over int32 symbols in little-endian order."""
    return zlib.crc32(np.ascontiguousarray(symbols, "<i4").data, start)
