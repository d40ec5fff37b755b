"""The inner loops of the coder `interleaved` in Python and numpy: the reference, and what runs where no compiler was.

docs/format.md describes the stream; `kernels.Kernels` what each function is given and returns.
"""

from bisect import bisect_right

import numpy as np

from nic_core.bytestream import varint
from nic_core.coding.kernels import Cursor
from nic_core.coding.tables import PRECISION, Tables

LOWEST = 1 << 31
"""The least value of a state between two symbols, and the one that coding begins with."""
WORD = 32
"""Bits that a state gives off, or takes in, at once."""


class PureKernels:
    """See `kernels.Kernels`."""

    def place(
        self, tables: Tables, symbols: np.ndarray, indexes: np.ndarray, slots: np.ndarray
    ) -> tuple[int, bytes, int]:
        """See `kernels.Kernels`."""
        known = _first_unknown(indexes, tables)
        symbols, indexes = symbols[:known].astype(np.int64), indexes[:known]
        count = tables.slots.escape[indexes]
        distance = symbols - tables.offset[indexes]
        escaped = (distance < 0) | (distance >= count)
        slots[:known] = tables.slots.base[indexes] + np.where(escaped, count, distance)
        below, above = ~distance, distance - count  # how far beyond the table's ends, each from 0
        zigzag = np.where(distance < 0, 2 * below + 1, 2 * above)[escaped]
        cost = tables.slots.cost[slots[:known]].sum()
        return known, b"".join(map(varint, zigzag.tolist())), int(cost)

    def encode(self, tables: Tables, slots: np.ndarray, states: np.ndarray, turn: int) -> bytes:
        """See `kernels.Kernels`."""
        frequencies, starts = tables.slots.frequency[slots].tolist(), tables.slots.start[slots].tolist()
        values, words = states.tolist(), []
        for i in reversed(range(len(slots))):
            place, frequency = (turn + i) % len(values), frequencies[i]
            state = values[place]
            if state >= frequency * LOWEST << WORD - PRECISION:  # it would outgrow 63 bits
                words.append(state & 0xFFFFFFFF)
                state >>= WORD
            values[place] = (state // frequency << PRECISION) + state % frequency + starts[i]
        states[:] = values
        return np.array(words[::-1], "<u4").tobytes()

    def decode(self, tables: Tables, indexes: np.ndarray, cursor: Cursor, symbols: np.ndarray) -> int:
        """See `kernels.Kernels`."""
        rows, lengths, offsets = tables.as_lists
        known = _first_unknown(indexes, tables)
        values, decoded = cursor.states.tolist(), []
        try:
            for i, index in enumerate(indexes[:known].tolist()):
                row, place = rows[index], (cursor.turn + i) % len(values)
                low, rest = values[place] % (1 << PRECISION), values[place] >> PRECISION
                interval = bisect_right(row, low) - 1
                state = (row[interval + 1] - row[interval]) * rest + low - row[interval]
                if state < LOWEST:
                    state = state << WORD | _word(cursor)
                values[place] = state
                symbol = offsets[index] + interval
                if interval == lengths[index] - 2:
                    zigzag = _escape(cursor)
                    symbol = offsets[index] - 1 - (zigzag >> 1) if zigzag & 1 else symbol + (zigzag >> 1)
                    if not -(1 << 31) <= symbol < 1 << 31:
                        raise _NoStream
                decoded.append(symbol)
        except _NoStream:
            pass
        cursor.states[:] = values
        cursor.turn = (cursor.turn + len(decoded)) % len(values)
        symbols[: len(decoded)] = decoded
        return len(decoded)


class _NoStream(Exception):
    """No encoder wrote this."""


def _first_unknown(indexes: np.ndarray, tables: Tables) -> int:
    """Return the position of the first index that is no row, the number of indexes where all are."""
    unknown = (indexes < 0) | (indexes >= len(tables.length))
    return int(unknown.argmax()) if unknown.any() else len(indexes)


def _word(cursor: Cursor) -> int:
    if cursor.escapes - cursor.words < 4:
        raise _NoStream
    cursor.words += 4
    return int.from_bytes(cursor.data[cursor.words - 4 : cursor.words], "little")


def _escape(cursor: Cursor) -> int:
    """Return a number as `varint` writes it, its bytes lying in reverse, at most 5 of them."""
    number = 0
    for shift in range(0, 35, 7):
        if cursor.escapes == cursor.words:
            raise _NoStream
        cursor.escapes -= 1
        byte = cursor.data[cursor.escapes]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number
    raise _NoStream
