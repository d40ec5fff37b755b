"""The kernels of the coder `interleaved`, as `nic_core.coding.kernels.Kernels` describes them."""

from collections.abc import Callable
from ctypes import POINTER, Structure, byref, c_char_p, c_int64, c_void_p
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from nic_native.library import load

ROW = np.dtype([("base", "u4"), ("escape", "u4"), ("offset", "i4")])
INTERVAL = np.dtype([("start", "u2"), ("frequency", "u2")])
DIVISOR = np.dtype([("reciprocal", "u8"), ("bias", "u4"), ("frequency", "u2"), ("shift", "u1")], align=True)
BUCKETS = 256


class Tables(Protocol):
    """What is asked of `nic_core.coding.Tables`."""

    @property
    def offset(self) -> np.ndarray:
        """The integer of each row's first interval."""

    @property
    def slots(self) -> Any:
        """See `nic_core.coding.tables.Slots`."""


class Cursor(Protocol):
    """What is asked of `nic_core.coding.kernels.Cursor`."""

    data: bytes
    words: int
    escapes: int
    states: np.ndarray
    turn: int


class CTables(Structure):
    """`nic_tables` of kernels.h."""

    _fields_ = (
        ("rows", c_int64),
        *((name, c_void_p) for name in ("row", "interval", "cost", "divisor", "bucket")),
    )


class CCursor(Structure):
    """`nic_cursor` of kernels.h."""

    _fields_ = (
        ("data", c_char_p),
        ("words", c_int64),
        ("escapes", c_int64),
        ("states", c_void_p),
        ("n", c_int64),
        ("turn", c_int64),
    )


class Prepared:
    """Tables as C looks them up; holds the arrays that `c` points to."""

    def __init__(self, fill: Callable[..., None], tables: Tables) -> None:
        slots = tables.slots
        row, interval = np.empty(len(slots.base), ROW), np.empty(len(slots.start), INTERVAL)
        row["base"], row["escape"], row["offset"] = slots.base, slots.escape, tables.offset
        interval["start"], interval["frequency"] = slots.start, slots.frequency
        cost = slots.cost.astype(np.uint16)
        made = np.empty(len(interval), DIVISOR), np.empty((len(row), BUCKETS), np.uint16)
        self.arrays = (row, interval, cost, *made)
        self.c = CTables(len(row), *(array.ctypes.data for array in self.arrays))
        fill(byref(self.c))


class NativeKernels:
    """See `nic_core.coding.kernels.Kernels`. Raises OSError where there is no library."""

    def __init__(self) -> None:
        library, reason = load()
        if library is None:
            raise OSError(f"nic-native cannot be used: {reason}")
        self._prepared: WeakKeyDictionary[Tables, Prepared] = WeakKeyDictionary()
        tables, array, number = POINTER(CTables), c_void_p, POINTER(c_int64)
        # By index they are objects of their own, whose types nobody else sets meanwhile.
        names = ("prepare", "place", "encode", "decode")
        self._fill, self._place, self._encode, self._decode = (library[f"nic_rans_{name}"] for name in names)
        self._fill.argtypes, self._fill.restype = [tables], None
        self._place.argtypes = [tables, array, array, c_int64, array, array, number, number]
        self._encode.argtypes = [tables, array, c_int64, array, c_int64, c_int64, array]
        self._decode.argtypes = [tables, array, c_int64, POINTER(CCursor), array]
        self._place.restype = self._encode.restype = self._decode.restype = c_int64

    def place(
        self, tables: Tables, symbols: np.ndarray, indexes: np.ndarray, slots: np.ndarray
    ) -> tuple[int, bytes, int]:
        """See `nic_core.coding.kernels.Kernels`."""
        escapes = np.empty(5 * symbols.size, np.uint8)
        length, cost = c_int64(), c_int64()
        given = symbols.ctypes.data, indexes.ctypes.data, symbols.size, slots.ctypes.data, escapes.ctypes.data
        done = self._place(self._prepare(tables), *given, byref(length), byref(cost))
        return done, escapes[: length.value].tobytes(), cost.value

    def encode(self, tables: Tables, slots: np.ndarray, states: np.ndarray, turn: int) -> bytes:
        """See `nic_core.coding.kernels.Kernels`."""
        words = np.empty(4 * slots.size, np.uint8)
        given = slots.ctypes.data, slots.size, states.ctypes.data, states.size, turn, words.ctypes.data + words.size
        length = self._encode(self._prepare(tables), *given)
        return words[words.size - length :].tobytes()

    def decode(self, tables: Tables, indexes: np.ndarray, cursor: Cursor, symbols: np.ndarray) -> int:
        """See `nic_core.coding.kernels.Kernels`."""
        states = cursor.states
        c = CCursor(cursor.data, cursor.words, cursor.escapes, states.ctypes.data, states.size, cursor.turn)
        given = indexes.ctypes.data, indexes.size, byref(c), symbols.ctypes.data
        done = self._decode(self._prepare(tables), *given)
        cursor.words, cursor.escapes, cursor.turn = c.words, c.escapes, c.turn
        return done

    def _prepare(self, tables: Tables) -> Any:
        prepared = self._prepared.get(tables)
        if prepared is None:
            # Of threads that come here at once all take the same: C reads its arrays while one of them may be done.
            prepared = self._prepared.setdefault(tables, Prepared(self._fill, tables))
        return byref(prepared.c)
