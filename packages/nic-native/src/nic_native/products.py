"""Sums of products in C: what weights are laid out as, once for each layer. See c/products.h and c/depthwise.h."""

from ctypes import POINTER, Structure, byref, c_int64, c_void_p
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from nic_native.arrays import layer_function

PANEL = 16
MOST_TAP_ROWS = 64
MOST_PAIRS = 192
"""Of a block, so that its weights of one panel stay in the nearest cache."""
MOST_BITS = 15
"""Of what is narrowed."""
UNCHANGED = 1 << 16
"""The slope that leaves values below zero as they are."""


class Packed(Structure):
    """`nic_packed` of products.h."""

    _fields_ = (
        *((name, c_int64) for name in ("count", "rows", "columns", "channels")),
        *((name, c_void_p) for name in ("values", "seen")),
    )


class Target(Structure):
    """`nic_target` of products.h."""

    _fields_ = (("values", c_void_p), *((name, c_int64) for name in ("rows", "columns", "image", "row", "column")))


class CProducts(Structure):
    """`nic_products` of products.h."""

    _fields_ = (
        *((name, c_int64) for name in ("outputs", "tap_rows", "tap_columns", "stride", "first_row", "first_column")),
        ("slope", c_int64),
        *((name, c_void_p) for name in ("block", "blocks", "weight", "start", "shift", "offset")),
    )


class CDepthwise(Structure):
    """`nic_depthwise` of depthwise.h."""

    _fields_ = (
        *((name, c_int64) for name in ("channels", "kernel", "stride", "wide")),
        *((name, c_void_p) for name in ("weight", "start", "shift", "offset")),
    )


@dataclass(frozen=True)
class Finish:
    """What becomes of 64-bit sums, see `nic_products`; of all outputs and those that only fill up."""

    start: np.ndarray
    shift: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, bias: np.ndarray, shift: np.ndarray, room: int) -> "Finish":
        """Return that of a layer, for `room` outputs."""
        bias, shift = (np.pad(x.astype(np.int64), (0, room - len(x))) for x in (bias, shift))
        # 2**62 keeps sums above zero: they and the bias are within 2**52, half of what is lost within 2**61.
        return cls(bias + ((np.int64(1) << shift) >> 1) + (1 << 62), shift, np.int64(1 << 62) >> shift)

    @property
    def addresses(self) -> tuple[int, int, int]:
        """Where they lie."""
        return self.start.ctypes.data, self.shift.ctypes.data, self.offset.ctypes.data


@dataclass(frozen=True)
class Sums:
    """One convolution of packed values.

    at: which of the positions of a `Convolution`'s output it computes.
    first: row and column of the packed values that output 0 begins to read. taps: rows and columns.
    block, blocks, weight: as in `nic_products`.
    """

    at: tuple[int, int]
    first: tuple[int, int]
    outputs: int
    taps: tuple[int, int]
    block: np.ndarray
    blocks: np.ndarray
    weight: np.ndarray
    finish: Finish

    @classmethod
    def of(
        cls,
        taps: np.ndarray,
        bias: np.ndarray,
        shift: np.ndarray,
        largest: int,
        at: tuple[int, int] = (0, 0),
        first: tuple[int, int] = (0, 0),
    ) -> "Sums":
        """Lay out taps (rows, columns, inputs, outputs)."""
        rows, columns, inputs, outputs = taps.shape
        room = outputs + -outputs % PANEL
        filled = np.pad(taps, ((0, 0), (0, 0), (0, inputs % 2), (0, room - outputs))).astype(np.int16)
        pairs = filled.reshape(rows * columns * filled.shape[2] // 2, 2, room)
        panels = pairs.reshape(len(pairs), 2, room // PANEL, PANEL).transpose(2, 0, 3, 1)
        weight = np.ascontiguousarray(panels)
        ends = ends_of_blocks(weight, largest)
        blocks = np.array([*accumulate(map(len, ends), initial=0)], np.int64)
        finish = Finish.of(bias, shift, room)
        return cls(at, first, outputs, (rows, columns), np.concatenate(ends), blocks, weight, finish)

    @property
    def work(self) -> int:
        """Steps for each position, in the unit of `nic_native.threads.WORTH`."""
        return self.weight.size // PANEL

    def multiply(self, stride: int, slope: int, packed: Packed, target: Target) -> None:
        """Run it."""
        numbers = (self.outputs, *self.taps, stride, *self.first, slope)
        arrays = (self.block.ctypes.data, self.blocks.ctypes.data, self.weight.ctypes.data)
        c = CProducts(*numbers, *arrays, *self.finish.addresses)
        run = layer_function("nic_multiply", POINTER(CProducts), POINTER(Packed), POINTER(Target))
        run(byref(c), byref(packed), byref(target))


def ends_of_blocks(weight: np.ndarray, largest: int) -> list[np.ndarray]:
    """Return the int64 ends of blocks for inputs of 0, 1 ... MOST_BITS bits; weight: as in `nic_products`.

    Zeros have no blocks. largest: beyond which there are no inputs.
    """
    panels, pairs = weight.shape[:2]
    sums, ends, count = np.empty(panels * PANEL, np.uint32), np.empty(pairs, np.int64), c_int64()
    find = layer_function("nic_blocks", c_void_p, *[c_int64] * 4, c_void_p, c_void_p, POINTER(c_int64))
    most = largest.bit_length()
    falling: list[np.ndarray] = []
    for bits in range(most, 0, -1):
        if falling and len(falling[-1]) == -(-pairs // MOST_PAIRS):  # as long as they may be, for small inputs too
            falling.append(falling[-1])
            continue
        given = (panels, pairs, (1 << bits) - 1, MOST_PAIRS)
        find(weight.ctypes.data, *given, sums.ctypes.data, ends.ctypes.data, byref(count))
        falling.append(ends[: count.value].copy())
    return [ends[:0], *reversed(falling), *[falling[0]] * (MOST_BITS - most)]


@dataclass(frozen=True)
class Depthwise:
    """A convolution whose every output reads the input of its number. weight, wide: as in `nic_depthwise`."""

    outputs: int
    kernel: int
    weight: np.ndarray
    wide: bool
    finish: Finish
    at: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, weight: np.ndarray, bias: np.ndarray, shift: np.ndarray, largest: int) -> "Depthwise":
        """Lay out weights (outputs, 1, k, k)."""
        outputs, _, kernel, _ = weight.shape
        sums = np.abs(weight.astype(np.int64)).sum((1, 2, 3)) * largest
        taps = weight.reshape(outputs, kernel * kernel).T.astype(np.int16)
        taps = np.ascontiguousarray(np.pad(taps, ((0, 0), (0, outputs % 2))))
        return cls(outputs, kernel, taps, bool(sums.max() >= 1 << 31), Finish.of(bias, shift, outputs))

    @property
    def work(self) -> int:
        """Steps for each position, in the unit of `nic_native.threads.WORTH`."""
        return self.weight.size // 4

    def multiply(self, stride: int, slope: int, packed: Packed, target: Target) -> None:
        """Run it; it knows no slope."""
        numbers = (self.outputs, self.kernel, stride, self.wide)
        c = CDepthwise(*numbers, self.weight.ctypes.data, *self.finish.addresses)
        run = layer_function("nic_multiply_depthwise", POINTER(CDepthwise), POINTER(Packed), POINTER(Target))
        run(byref(c), byref(packed), byref(target))
