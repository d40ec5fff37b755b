"""Norms over channels and sums over positions, in C; see c/norms.h. Both take int32 (N, h, w, C)."""

from ctypes import POINTER, Structure, byref, c_int64, c_void_p

import numpy as np

from nic_native.arrays import layer_function
from nic_native.elementwise import by_lines

NORM_STEPS = 8
"""What a value costs, about, in the unit of `nic_native.threads.WORTH`."""


class CNorm(Structure):
    """`nic_norm` of norms.h."""

    _fields_ = (
        *((name, c_int64) for name in ("channels", "narrow", "largest", "epsilon", "shift")),
        *((name, c_void_p) for name in ("gain", "bias")),
    )


def norm(
    x: np.ndarray, narrow: int, largest: int, epsilon: int, gain: np.ndarray, bias: np.ndarray, shift: int
) -> np.ndarray:
    """Return nic_latent's `Norm`; gain int32 (C,), bias int64 (C,)."""
    run = layer_function("nic_normalise", POINTER(CNorm), c_void_p, c_int64, c_void_p, c_void_p)
    channels = len(gain)
    if x.shape[-1] != channels:
        raise ValueError("a norm is called with other channels than those that it was made for")
    c = CNorm(channels, narrow, largest, epsilon, shift, gain.ctypes.data, bias.ctypes.data)

    def lines(start: int, count: int, out: int) -> None:
        work = np.empty(channels, np.int32)
        run(byref(c), start, count // channels, work.ctypes.data, out)

    return by_lines(x, lines, NORM_STEPS)


def sums(x: np.ndarray) -> np.ndarray:
    """Return the sums of all positions, int64 (N, 1, 1, C)."""
    x = np.ascontiguousarray(x, np.int32)
    count, height, width, channels = x.shape
    out = np.zeros((count, 1, 1, channels), np.int64)
    run = layer_function("nic_pool", c_void_p, c_int64, c_int64, c_void_p)
    for image, total in zip(x, out, strict=True):
        run(image.ctypes.data, height * width, channels, total.ctypes.data)
    return out
