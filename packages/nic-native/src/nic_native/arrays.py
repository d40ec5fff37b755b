"""Numpy arrays as C sees them, and which instruction set runs."""

import ctypes
import os
from collections.abc import Callable, Sequence
from ctypes import Structure, c_int32, c_int64, c_void_p
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

from nic_native.library import load

NIC_NATIVE_ISA = "NIC_NATIVE_ISA"
"""Environment variable: the most that runs of SETS, for tests; all give the same results."""
SETS = ("plain", "avx2", "avx512", "vnni")


class View(Structure):
    """`nic_view` of products.h."""

    _fields_ = (("values", c_void_p), *((name, c_int64) for name in ("image", "row", "column", "channels")))


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """Return the library; OSError where there is none."""
    found, reason = load()
    if found is None:
        raise OSError(f"nic-native cannot be used: {reason}")
    return found


@lru_cache(maxsize=1)
def instruction_set() -> int:
    """Return the number of the set that runs: the last that the processor has, or what NIC_NATIVE_ISA says."""
    best = library().nic_best_isa()
    most = os.environ.get(NIC_NATIVE_ISA)
    if not most:
        return best
    if most not in SETS:
        raise ValueError(f"{NIC_NATIVE_ISA} is {most!r}, none of {', '.join(SETS)}")
    return min(best, SETS.index(most))


def layer_function(name: str, *arguments: Any) -> Callable[..., None]:
    """Return a function of the library, by the types of its arguments after the first, the instruction set."""
    return partial(_typed(name, arguments), instruction_set())


@cache
def _typed(name: str, arguments: tuple[Any, ...]) -> Any:
    found = library()[name]
    found.argtypes, found.restype = (c_int32, *arguments), None
    return found


def reachable(array: np.ndarray) -> np.ndarray:
    """Return int32 values (N, h, w, C) whose channels lie side by side: the array itself where its do."""
    good = array.dtype == np.int32 and (array.strides[-1] == 4 or array.shape[-1] == 1)
    return array if good and not any(stride % 4 for stride in array.strides) else np.ascontiguousarray(array, np.int32)


def views(arrays: Sequence[np.ndarray]) -> ctypes.Array[View]:
    """Return arrays that are `reachable` as C sees them; they must outlive what is returned."""
    made = (View * len(arrays))()
    for view, array in zip(made, arrays, strict=True):
        view.values, view.channels = array.ctypes.data, array.shape[-1]
        view.image, view.row, view.column = (stride // 4 for stride in array.strides[:3])
    return made
