"""The entropy-coder contract: integers against integer tables, no floats anywhere.

A coder is incremental, because context models learn the table of the next symbols only from the symbols before them.
Encoding pushes groups of symbols in the order in which the decoder pulls them; one encoder and one decoder serve one
picture. Coders carry a name that the file records, so a faster one can be added while old files keep decoding.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

PRECISION = 16
"""Bits of a table's total frequency: every row of `Tables.cdf` ends at 2**16."""


@dataclass(frozen=True)
class Tables:
    """Frozen cumulative-frequency tables, one row for each distribution.

    cdf: int32 (T, L); row t holds `length[t]` rising values from 0 to 2**16, the rest is padding. Its last interval is
        the escape, under which a coder writes any integer that the table does not reach.
    length: int32 (T,), number of used entries of each row, at least 3.
    offset: int32 (T,), the integer that the first interval of a row stands for.

    Raises ValueError where the arrays contradict that.
    """

    cdf: np.ndarray
    length: np.ndarray
    offset: np.ndarray

    def __post_init__(self) -> None:
        """Bring the arrays to int32 and check them, since a damaged table would corrupt silently."""
        for name in ("cdf", "length", "offset"):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=np.int32))
        rows = len(self.cdf)
        if self.cdf.ndim != 2 or self.length.shape != (rows,) or self.offset.shape != (rows,):
            raise ValueError("tables need a cdf of shape (T, L) and T lengths and offsets")
        if rows == 0 or self.length.min() < 3 or self.length.max() > self.cdf.shape[1]:
            raise ValueError("each table needs between 3 and L entries")
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


class EntropyEncoder(Protocol):
    """Collects the symbols of one picture."""

    def push(self, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        """Append int32 `symbols` (K,), each coded with the table row that `indexes` (K,) names."""

    def finish(self) -> bytes:
        """Return the stream. The encoder is spent afterwards."""


class EntropyDecoder(Protocol):
    """Returns the symbols of one stream in the order in which they were pushed."""

    def pull(self, indexes: np.ndarray, tables: Tables) -> np.ndarray:
        """Return the next int32 symbols (K,), one for each entry of `indexes` (K,).

        Stays within the stream's memory whatever the stream holds; raises `nic_core.errors.DamagedFile` when more
        symbols are asked for than the decoder was made for.
        """


class EntropyCoder(Protocol):
    """A named pair of encoder and decoder."""

    name: str

    def encoder(self) -> EntropyEncoder:
        """Return a fresh encoder."""

    def decoder(self, data: bytes, max_symbols: int) -> EntropyDecoder:
        """Return a decoder of `data` from which at most `max_symbols` symbols will be pulled."""
