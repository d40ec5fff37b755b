"""Frozen tables of cumulative frequencies: the integers that an entropy coder codes against."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

PRECISION = 16
"""Bits of a table's total frequency: every row of `Tables.cdf` ends at 2**16."""


LARGEST_OFFSET = 1 << 24
"""How far from zero a table may start: coders write the distance of what it does not reach in 28 bits."""


COST_UNIT = 2048
"""Parts of a bit in which `Slots.cost` counts."""


@dataclass(frozen=True)
class Slots:
    """The intervals of all rows in one line: what a coder's inner loops look up.

    base: int64 (T,), where each row begins; its last interval, the escape, is at base + escape.
    escape: int64 (T,), the number of intervals of a row before its escape.
    start, frequency: int32 (S,), the lower end and the width of each interval.
    cost: int64 (S,), what coding an interval costs, in 1/`COST_UNIT` bits, rounded down.
    """

    base: np.ndarray
    escape: np.ndarray
    start: np.ndarray
    frequency: np.ndarray
    cost: np.ndarray


@dataclass(frozen=True, eq=False)  # compared and hashed by identity, so that what is made of tables can be kept
class Tables:
    """Frozen cumulative-frequency tables, one row for each distribution.

    cdf: int32 (T, L); row t holds `length[t]` rising values from 0 to 2**16, the rest is padding. Its last interval is
        the escape, under which a coder writes any integer that the table does not reach.
    length: int32 (T,), number of used entries of each row, at least 3.
    offset: int32 (T,), the integer that the first interval of a row stands for.

    Raises ValueError where the arrays contradict that, are no whole numbers, or start further than 2**24 from zero.
    """

    cdf: np.ndarray
    length: np.ndarray
    offset: np.ndarray

    def __post_init__(self) -> None:
        """Bring the arrays to int32 and check them, since a damaged table would corrupt silently."""
        for name in ("cdf", "length", "offset"):
            array = np.asarray(getattr(self, name))
            fits = not array.size or -(1 << 31) <= array.min() <= array.max() < 1 << 31
            if not fits or (array.size and array.dtype.kind not in "iu"):
                raise ValueError(f"the {name} of tables must be integers of 32 bits")
            object.__setattr__(self, name, np.ascontiguousarray(array, dtype=np.int32))
        rows = len(self.cdf)
        if self.cdf.ndim != 2 or self.length.shape != (rows,) or self.offset.shape != (rows,):
            raise ValueError("tables need a cdf of shape (T, L) and T lengths and offsets")
        if rows == 0 or self.length.min() < 3 or self.length.max() > self.cdf.shape[1]:
            raise ValueError("each table needs between 3 and L entries")
        if not -LARGEST_OFFSET <= self.offset.min() <= self.offset.max() <= LARGEST_OFFSET:
            raise ValueError(f"no table may start further than {LARGEST_OFFSET} from zero")
        for row in self.rows:
            if row[0] != 0 or row[-1] != 1 << PRECISION or (np.diff(row) <= 0).any():
                raise ValueError(f"each table must rise strictly from 0 to {1 << PRECISION}")

    @property
    def rows(self) -> list[np.ndarray]:
        """The used part of every row."""
        return [row[:n] for row, n in zip(self.cdf, self.length, strict=True)]

    @cached_property
    def as_lists(self) -> tuple[list[list[int]], list[int], list[int]]:
        """Rows, lengths and offsets as Python lists, for coders whose bindings take those."""
        return [row.tolist() for row in self.rows], self.length.tolist(), self.offset.tolist()

    @cached_property
    def slots(self) -> Slots:
        """The intervals of all rows in one line."""
        length = self.length.astype(np.int64)
        used = np.arange(self.cdf.shape[1] - 1) < length[:, None] - 1
        start, frequency = self.cdf[:, :-1][used], np.diff(self.cdf, axis=1)[used]
        # Only where a frequency is a power of two is its logarithm near a whole number of units, and there it is exact:
        # no machine rounds another one down to its neighbour.
        cost = np.floor(COST_UNIT * (PRECISION - np.log2(frequency))).astype(np.int64)
        return Slots(np.cumsum(length - 1) - (length - 1), length - 2, start, frequency, cost)
