"""The inner loops of the coder `interleaved`: what they are given, and which implementation runs."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nic_core.coding.tables import Tables


@dataclass
class Cursor:
    """Where the decoding of one stream stands.

    data: the stream. words: where the next word begins; escapes: behind where the next escape's byte lies.
    states: uint64 (N,). turn: the number of the state that holds the next symbol.
    """

    data: bytes
    words: int
    escapes: int
    states: np.ndarray
    turn: int = 0


class Kernels(Protocol):
    """Loops over symbols. All arrays are contiguous and of the stated type; those that are written to are the caller's.

    Both sides return how many symbols they did: fewer than asked where a table index does not exist, or where a stream
    has ended or holds an escape that is none.
    """

    def place(
        self, tables: Tables, symbols: np.ndarray, indexes: np.ndarray, slots: np.ndarray
    ) -> tuple[int, bytes, int]:
        """Find the intervals of int32 `symbols` (K,) in the rows `indexes`, and write them to uint32 `slots` (K,).

        Returns how many symbols, the bytes of their escapes in the order of reading, and their cost (`Slots.cost`).
        """

    def encode(self, tables: Tables, slots: np.ndarray, states: np.ndarray, turn: int) -> bytes:
        """Code intervals, the last first, into uint64 `states` (N,), and return the words in the order of reading.

        turn: the number of the state that takes the first of them.
        """

    def decode(self, tables: Tables, indexes: np.ndarray, cursor: Cursor, symbols: np.ndarray) -> int:
        """Write the next symbols, under the rows int32 `indexes` (K,), to int32 `symbols` (K,); move the cursor.

        Returns how many symbols.
        """
