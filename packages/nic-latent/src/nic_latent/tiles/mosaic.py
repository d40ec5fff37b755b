"""Decoded tiles of a latent, kept as long as something is still to be made of them."""

import numpy as np
from nic_core.format.tiling import Area


class Mosaic:
    """Pieces of y_hat, (1, h, w, C) each, by the tile that they belong to; areas are in pixels.

    step: pixels that a position of y_hat covers in each direction.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self._pieces: dict[Area, np.ndarray] = {}

    def put(self, tile: Area, y_hat: np.ndarray) -> None:
        """Add a tile. Its area is what y_hat covers, padding included."""
        self._pieces[tile] = y_hat

    def forget_above(self, y: int) -> None:
        """Drop all rows of pixels above y, so far as they are whole positions."""
        kept = {}
        for tile, y_hat in self._pieces.items():
            rows = max(0, y - tile.y) // self._step
            if rows < y_hat.shape[1]:
                height = tile.height - rows * self._step
                kept[Area(tile.x, tile.bottom - height, tile.width, height)] = y_hat[:, rows:].copy() if rows else y_hat
        self._pieces = kept

    def block(self, area: Area) -> np.ndarray:
        """Return y_hat of an area of whole positions; what is missing continues the edge of what lies beside it."""
        step, channels = self._step, next(iter(self._pieces.values())).shape[3]
        whole = np.zeros((1, area.height // step, area.width // step, channels), np.float32)
        there = np.zeros(whole.shape[1:3], bool)
        for tile, y_hat in self._pieces.items():
            if tile.meets(area):
                shared = tile.within(area)
                target, source = (_places(shared, origin, step) for origin in (area, tile))
                whole[0][target], there[target] = y_hat[0][source], True
        if not there.all():
            _continue(whole[0], there)
        return whole


def _places(area: Area, origin: Area, step: int) -> tuple[slice, slice]:
    top, left = (area.y - origin.y) // step, (area.x - origin.x) // step
    return slice(top, top + area.height // step), slice(left, left + area.width // step)


def _continue(values: np.ndarray, there: np.ndarray) -> None:
    """Fill positions that are missing, in place: along rows from the nearest that is there, then from row to row."""
    rows = np.flatnonzero(there.any(1))
    for row in rows:
        found = np.flatnonzero(there[row])
        values[row] = values[row, _nearest(found, there.shape[1])]
    values[:] = values[_nearest(rows, len(there))]


def _nearest(found: np.ndarray, count: int) -> np.ndarray:
    """Return for each of `count` places which of the found ones, rising, is nearest."""
    return found[np.searchsorted((found[1:] + found[:-1]) / 2, np.arange(count))]
