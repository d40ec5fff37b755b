"""The coder named "interleaved" in files: range asymmetric numeral systems (Duda 2013), several of them in turn.

docs/format.md describes the stream. Symbol i of a picture is held by state i mod N: a processor works on the next
symbols while one is not finished. Each state costs some bytes, so their number N follows from what the symbols cost.
"""

import numpy as np

from nic_core.bytestream import Reader, varint
from nic_core.coding import choice
from nic_core.coding.kernels import Cursor, Kernels
from nic_core.coding.pure import LOWEST
from nic_core.coding.tables import COST_UNIT, Tables
from nic_core.errors import DamagedFile

WORTH = (0, 24_000, 110_000, 282_000)
"""Bits of symbols from which on 1, 2, 4 and 8 states cost less than 8 bytes and a thousandth of them.

A state costs 31 bits for its first value, and up to 12, the first one 14, since its last one is written in bytes.
"""


class Interleaved:
    """See the module. kernels: of `nic_core.coding.choice`; by default the compiled ones where they are to be had."""

    name = "interleaved"

    def __init__(self, kernels: Kernels | None = None) -> None:
        self._kernels = choice.kernels() if kernels is None else kernels

    def encoder(self) -> "InterleavedEncoder":
        """Return a fresh encoder."""
        return InterleavedEncoder(self._kernels)

    def decoder(self, data: bytes, max_symbols: int) -> "InterleavedDecoder":
        """Return a decoder of `data`; DamagedFile where that does not begin as a stream."""
        return InterleavedDecoder(data, max_symbols, self._kernels)


class InterleavedEncoder:
    """Collects intervals; rANS codes the last symbol first, so nothing is coded before `finish`."""

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels
        self._groups: list[tuple[Tables, np.ndarray]] = []
        self._escapes: list[bytes] = []
        self._cost = 0

    def push(self, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        """Append int32 `symbols` (K,) under the rows `indexes` (K,); ValueError for rows that do not exist."""
        symbols, indexes = _int32(symbols), _int32(indexes)
        if symbols.shape != indexes.shape:
            raise ValueError(f"{symbols.size} symbols cannot have {indexes.size} table indexes")
        slots = np.empty(symbols.size, np.uint32)
        done, escapes, cost = self._kernels.place(tables, symbols, indexes, slots)
        if done < symbols.size:
            raise _no_row(tables)
        self._groups.append((tables, slots))
        self._escapes.append(escapes)
        self._cost += cost

    def finish(self) -> bytes:
        """Return the stream."""
        escapes = b"".join(self._escapes)
        bits = self._cost // COST_UNIT + 8 * len(escapes)
        exponent = sum(bits >= worth for worth in WORTH[1:])
        states = np.full(1 << exponent, LOWEST, np.uint64)
        first, body = sum(len(slots) for _, slots in self._groups), []
        for tables, slots in reversed(self._groups):
            first -= len(slots)
            body.append(self._kernels.encode(tables, slots, states, first % len(states)))
        high, low = states >> np.uint64(32), states.astype("<u4")
        numbers = [exponent | int(high[0]) << 2, *high[1:].tolist()]
        return b"".join([*map(varint, numbers), low.tobytes(), *reversed(body), escapes[::-1]])


class InterleavedDecoder:
    """Decodes what the encoder wrote, stays in bounds on anything else and takes no memory but for the symbols."""

    def __init__(self, data: bytes, max_symbols: int, kernels: Kernels) -> None:
        self._kernels, self._left = kernels, max_symbols
        read = Reader(data)
        first = read.varint()
        high = [first >> 2, *(read.varint() for _ in range((1 << (first & 3)) - 1))]
        low = np.frombuffer(read.take(4 * len(high)), "<u4").tolist()
        states = [above << 32 | below for above, below in zip(high, low, strict=True)]
        if not all(LOWEST <= state < LOWEST << 32 for state in states):
            raise DamagedFile("the entropy-coded stream begins as none does")
        self._cursor = Cursor(data, len(data) - read.left, len(data), np.array(states, np.uint64))

    def pull(self, indexes: np.ndarray, tables: Tables) -> np.ndarray:
        """Return the next int32 symbols (K,); ValueError for rows that do not exist."""
        indexes = _int32(indexes)
        self._left -= indexes.size
        if self._left < 0:
            raise DamagedFile("the stream is asked for more symbols than the picture's size allows")
        symbols = np.empty(indexes.size, np.int32)
        done = self._kernels.decode(tables, indexes, self._cursor, symbols)
        if done < indexes.size:
            if not 0 <= indexes[done] < len(tables.length):
                raise _no_row(tables)
            raise DamagedFile("the entropy-coded stream ends too early or is damaged")
        return symbols

    def finish(self) -> None:
        """Check that the stream is used up and every state is where coding began; DamagedFile where it is not."""
        if self._cursor.words != self._cursor.escapes or (self._cursor.states != LOWEST).any():
            raise DamagedFile("the entropy-coded stream does not end with its symbols: it is damaged")


def _int32(values: np.ndarray) -> np.ndarray:
    """Return whole numbers as a contiguous int32 array of one dimension; ValueError for others."""
    if values.dtype != np.int32 or values.ndim != 1:
        raise ValueError(f"symbols and table indexes are int32 of one dimension, not {values.dtype} of {values.ndim}")
    return np.ascontiguousarray(values)


def _no_row(tables: Tables) -> ValueError:
    return ValueError(f"a table index is outside 0 to {len(tables.length) - 1}")
