"""The tables that residuals are coded under. Whole numbers only: every machine makes the same ones.

They decide what a file's bytes stand for. Whoever changes them gives the codec another id, or old files are lost.
"""

from functools import cache

import numpy as np
from nic_core.coding import PRECISION, Tables

REACH = 128
"""Residuals of 8 bits lie within this, from -128 to 127."""
MEANS = (1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 90, 128, 180, 256)
"""What the residuals of each row deviate by on average, in quarters."""
EVEN = len(MEANS)
"""The row of the low byte of 16-bit residuals: all values are as likely."""


@cache
def tables() -> Tables:
    """Return a row for each of `MEANS`, two-sided geometric, and the row `EVEN`."""
    rows = [_row([_geometric(mean, abs(value)) for value in range(-REACH, REACH)]) for mean in MEANS]
    rows.append(_row([1] * 256))
    lengths = np.full(len(rows), len(rows[0]))
    offsets = np.array([-REACH] * len(MEANS) + [0])
    return Tables(np.array(rows), lengths, offsets)


def _geometric(mean: int, distance: int) -> int:
    """Return a number proportional to (mean / (mean + 4)) ** distance."""
    return mean**distance * (mean + 4) ** (REACH - distance)


def _row(weights: list[int]) -> list[int]:
    """Return rising cumulative frequencies: at least 1 for each weight and for the escape, what is left by weight."""
    free, total = (1 << PRECISION) - len(weights) - 1, sum(weights)
    sums = np.cumsum([0, *weights], dtype=object) * free // total
    row = [int(value) + place for place, value in enumerate(sums)]
    return [*row, 1 << PRECISION]
