"""Layers that treat every value alike, in C; see c/elementwise.h. All take int32 (N, h, w, C) and return as much."""

from collections.abc import Callable, Sequence
from ctypes import POINTER, Structure, byref, c_int32, c_int64, c_void_p
from itertools import accumulate
from typing import Any

import numpy as np

from nic_native.arrays import layer_function, reachable
from nic_native.threads import by_rows

GELU, SIGMOID, TANH = range(3)
STEPS = 4
"""What a value costs, about, in the unit of `nic_native.threads.WORTH`."""


class Operand(Structure):
    """`nic_operand` of elementwise.h."""

    _fields_ = (("values", c_void_p), *((name, c_int64) for name in ("image", "row", "column", "channel")))


class Shape(Structure):
    """`nic_shape` of elementwise.h."""

    _fields_ = tuple((name, c_int64) for name in ("count", "rows", "columns", "channels"))


def leaky(x: np.ndarray, slope: int) -> np.ndarray:
    """Return x, what is below zero times slope / 2**16."""
    run = layer_function("nic_leaky", c_void_p, c_int64, c_int64, c_void_p)
    return by_lines(x, lambda start, count, out: run(start, count, slope, out))


def function(x: np.ndarray, which: int, table: np.ndarray, grid: int) -> np.ndarray:
    """Return GELU, SIGMOID or TANH by its int32 table, of values on a grid."""
    run = layer_function("nic_function", c_int32, c_void_p, c_int64, c_void_p, c_int64, c_void_p)
    return by_lines(x, lambda start, count, out: run(which, table.ctypes.data, grid, start, count, out))


def affine(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, shift: int) -> np.ndarray:
    """Return x * weight + bias for each channel, shifted; weight int32 (C,), bias int64 (C,)."""
    run = layer_function("nic_affine", c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_int64, c_void_p)
    channels, given = len(weight), (weight.ctypes.data, bias.ctypes.data, shift)
    if x.shape[-1] != channels:
        raise ValueError("gains are called with other channels than those that they were made for")
    return by_lines(x, lambda start, count, out: run(start, count // channels, channels, *given, out))


def steps_below(steps: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return how many of rising int32 steps lie below each value."""
    run, steps = layer_function("nic_steps_below", c_void_p, c_int64, c_void_p, c_int64, c_void_p), steps.copy()
    return by_lines(x, lambda start, count, out: run(steps.ctypes.data, len(steps), start, count, out))


def by_lines(x: np.ndarray, run: Callable[[int, int, int], None], steps: int = STEPS) -> np.ndarray:
    """Call run(address, count, address of the output) for values that lie side by side, some rows at a time."""
    x = np.ascontiguousarray(x, np.int32)
    out = np.empty(x.shape, np.int32)
    lines = x.shape[0] * x.shape[1]
    line = x.size // max(lines, 1)

    def rows(start: int, stop: int) -> None:
        run(x.ctypes.data + 4 * start * line, (stop - start) * line, out.ctypes.data + 4 * start * line)

    by_rows(rows, lines, steps * x.size)
    return out


def add(inputs: Sequence[np.ndarray], shifts: Sequence[int]) -> np.ndarray:
    """Return the sum of inputs, each shifted right (left where below 0); axes of length one serve the others'."""
    out = np.empty(np.broadcast_shapes(*(x.shape for x in inputs)), np.int32)
    _add(inputs, shifts, out)
    return out


def join(inputs: Sequence[np.ndarray], shifts: Sequence[int]) -> np.ndarray:
    """Return inputs one after another along the channels, each shifted as by `add`."""
    stops = list(accumulate(x.shape[-1] for x in inputs))
    if any(x.shape[:3] != inputs[0].shape[:3] for x in inputs):
        raise ValueError("values of several sizes are joined")
    out = np.empty((*inputs[0].shape[:3], stops[-1]), np.int32)
    for x, bits, stop in zip(inputs, shifts, stops, strict=True):
        _add([x], [bits], out[..., stop - x.shape[-1] : stop])
    return out


def _add(inputs: Sequence[np.ndarray], shifts: Sequence[int], out: np.ndarray) -> None:
    types = POINTER(Operand), POINTER(c_int64), c_int64, POINTER(Shape), c_int64, c_void_p
    run, bits = layer_function("nic_add", *types), (c_int64 * len(inputs))(*shifts)
    _joint(inputs, out, lambda operands, shape, pitch, to: run(operands, bits, len(inputs), shape, pitch, to))


def multiply(x: np.ndarray, y: np.ndarray, shift: int) -> np.ndarray:
    """Return the product, shifted; shapes as for `add`."""
    run = layer_function("nic_times", POINTER(Operand), c_int64, POINTER(Shape), c_void_p)
    out = np.empty(np.broadcast_shapes(x.shape, y.shape), np.int32)
    _joint([x, y], out, lambda operands, shape, _, to: run(operands, shift, shape, to))
    return out


def _joint(inputs: Sequence[np.ndarray], out: np.ndarray, run: Callable[[Any, Any, int, int], None]) -> None:
    """Call run(operands, shape, pitch, address) for rows of the output, whose channels lie side by side."""
    if not out.size:
        return
    arrays = [reachable(x) for x in inputs]
    if all(x.shape == out.shape and x.flags.c_contiguous for x in (*arrays, out)):
        # Positions and channels are one long run then.
        *arrays, out = (x.reshape(1, -1, 1, x.shape[2] * x.shape[3]) for x in (*arrays, out))
    arrays = [np.broadcast_to(x, out.shape) for x in arrays]
    count, height, width, channels = out.shape

    def rows(start: int, stop: int) -> None:
        for image in range(count):
            operands = (Operand * len(arrays))()
            for operand, x in zip(operands, arrays, strict=True):
                part = x[image, start:stop]
                operand.values = part.ctypes.data
                operand.row, operand.column, operand.channel = (stride // 4 for stride in part.strides)
            to = out[image, start:stop]
            shape = Shape(1, stop - start, width, channels)
            run(operands, byref(shape), out.strides[2] // 4, to.ctypes.data)

    by_rows(rows, height, STEPS * out.size)
