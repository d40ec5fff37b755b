"""Inference on a CPU a few rows of a map at a time, each strip by one core.

What a strip holds in between stays in that core's cache. And cores wait for one another once for all of a layer's
operations, where torch's own threads wait after each, and keep a core busy while they do: of two
processes on the same cores each took up to ten times as long as alone.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from threading import Barrier
from typing import TypeVar

import torch
from torch import Tensor

POSITIONS_IN_CACHE = 2048
"""Of a strip of a wide layer."""

Part = TypeVar("Part")
Made = TypeVar("Made")


def in_strips(x: Tensor) -> bool:
    """Return whether layers should take x in strips: on a CPU where no gradients are to come."""
    return not torch.is_grad_enabled() and not torch.compiler.is_compiling() and x.device.type == "cpu"


def each(function: Callable[[Part], Made], parts: Iterable[Part], x: Tensor) -> list[Made]:
    """Return what a function makes of parts of x; in strips by as many threads as torch has, each with one core."""
    parts = list(parts)
    threads = torch.get_num_threads() if in_strips(x) else 1
    if threads < 2 or len(parts) < 2:
        return [function(part) for part in parts]
    inference = torch.is_inference_mode_enabled()
    lower, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def run(part: Part) -> Made:  # all three are a thread's own
        with torch.inference_mode() if inference else torch.no_grad(), torch.autocast("cpu", dtype, enabled=lower):
            return function(part)

    return list(_cores(threads).map(lambda task: task[0].run(run, task[1]), [(copy_context(), part) for part in parts]))


def by_rows(
    function: Callable[..., Tensor], *inputs: Tensor, halo: int = 0, positions: int = POSITIONS_IN_CACHE
) -> Tensor:
    """Return function(*inputs) for a function of tensors (N, C, H, W) of equal sides that keeps both, in strips.

    halo: rows above and below a position that the function looks at. positions: of a strip, without its halo.
    """
    if not in_strips(inputs[0]):
        return function(*inputs)
    height, width = inputs[0].shape[2:]
    rows = max(positions // width, 1)

    def strip(start: int) -> Tensor:
        first = max(start - halo, 0)
        made = function(*(x[:, :, first : start + rows + halo] for x in inputs))
        return made[:, :, start - first : start - first + rows]

    return torch.cat(each(strip, range(0, height, rows), inputs[0]), 2)


def _take_one() -> None:
    """Give the calling thread one core."""
    torch.get_num_threads()  # otherwise torch sets its number for new threads at the first operation, after this
    torch.set_num_threads(1)


@lru_cache(maxsize=4)
def _cores(threads: int) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(threads, "nic-strips", _take_one)
    everyone = Barrier(threads + 1)
    for _ in range(threads):
        pool.submit(everyone.wait)
    everyone.wait()
    # The number that a thread sets for itself is also the one that new threads begin with.
    torch.set_num_threads(threads)
    return pool


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_cores.cache_clear)  # threads do not survive a fork
