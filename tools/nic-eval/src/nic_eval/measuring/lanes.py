"""Lanes: processes that measurements run in.

Coding and judging happen in separate processes, so that the networks of metrics neither slow coding down nor count as
its memory. A `Lane` is one of each and works on one picture at a time: with several lanes, several pictures are coded
at once.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from nic_core.errors import NicError
from nic_core.host.target import Target
from nic_core.memory import keep_freed_memory

from nic_eval.contestants.contestant import Contestant, Setting
from nic_eval.measuring import coder
from nic_eval.measuring.coder import Coded, Coder

R = TypeVar("R")


class WorkerDied(NicError):
    """A worker process ended without an answer: killed, out of memory, or crashed in native code."""


class Lane:
    """A process that codes and one that judges, both started when first needed and again when one died.

    contestant: whose coder the first is. threads: how many each may use, None for as many as it likes.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._contestant: Contestant | None = None
        self._pools: dict[str, ProcessPoolExecutor] = {}

    def enter(self, contestant: Contestant) -> None:
        """Take up a contestant, in a fresh process: what another left in memory is not counted."""
        self.leave("coder")
        self._contestant = contestant

    def code(self, source: Path, setting: Setting, target: Path) -> Coded:
        """See `Coder.code`; WorkerDied."""
        return self._call("coder", _code, source, setting, target)

    def decode(self, path: Path, setting: Setting) -> np.ndarray:
        """See `Coder.decode`; WorkerDied."""
        return self._call("coder", _decode, path, setting)

    def nearest(self, source: Path, target: Target) -> tuple[Setting, str]:
        """See `Coder.nearest`; WorkerDied."""
        return self._call("coder", _nearest, source, target)

    def gmacs(self, source: Path, setting: Setting) -> Mapping[str, float]:
        """See `Coder.gmacs`; WorkerDied."""
        return self._call("coder", _gmacs, source, setting)

    def judge(self, names: Sequence[str], source: Path, decoded: np.ndarray) -> dict[str, float]:
        """See `coder`'s function; WorkerDied."""
        return self._call("judge", coder.judge, names, source, decoded)

    def unavailable(self, names: Sequence[str]) -> dict[str, str]:
        """See `coder`'s function; WorkerDied."""
        return self._call("judge", coder.unavailable, names)

    def leave(self, *roles: str) -> None:
        """End the processes of these roles, or of all."""
        for role in roles or tuple(self._pools):
            if pool := self._pools.pop(role, None):
                pool.shutdown(wait=True, cancel_futures=True)

    def _call(self, role: str, function: Callable[..., R], *arguments: Any) -> R:
        if role not in self._pools:
            contestant = self._contestant if role == "coder" else None
            # Not fork: torch and CUDA do not survive it.
            context = multiprocessing.get_context("spawn")
            self._pools[role] = ProcessPoolExecutor(1, context, _start, (contestant, self._threads))
        try:
            return self._pools[role].submit(function, *arguments).result()
        except BrokenProcessPool as error:
            self.leave(role)
            raise WorkerDied("the worker process died: killed, out of memory, or crashed in native code") from error


@contextmanager
def open_lanes(count: int) -> Iterator[tuple[Lane, ...]]:
    """Yield so many lanes, which share the processor where they are several.

    Their processes end with the block; after an error or an interrupt, at once.
    """
    threads = None if count == 1 else max(1, (multiprocessing.cpu_count() or 1) // count)
    lanes = tuple(Lane(threads) for _ in range(count))
    try:
        yield lanes
    except BaseException:  # an interrupt too: no worker may go on
        end_workers()
        raise
    finally:
        for lane in lanes:
            lane.leave()


def end_workers() -> None:
    """End all worker processes at once: one that is in the middle of a picture would take its time."""
    for process in multiprocessing.active_children():
        process.terminate()


_coder: Coder | None = None
"""The one coder of a worker process."""


def _start(contestant: Contestant | None, threads: int | None) -> None:
    """Prepare a worker process."""
    global _coder
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides what ends
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is imported, which has not happened yet
    keep_freed_memory()  # as `nic encode` and `nic decode` do
    _coder = Coder(contestant) if contestant is not None else None


def _ready() -> Coder:
    if _coder is None:
        raise RuntimeError("this process has no contestant")
    return _coder


def _code(source: Path, setting: Setting, target: Path) -> Coded:
    return _ready().code(source, setting, target)


def _decode(path: Path, setting: Setting) -> np.ndarray:
    return _ready().decode(path, setting)


def _nearest(source: Path, target: Target) -> tuple[Setting, str]:
    return _ready().nearest(source, target)


def _gmacs(source: Path, setting: Setting) -> Mapping[str, float]:
    return _ready().gmacs(source, setting)
