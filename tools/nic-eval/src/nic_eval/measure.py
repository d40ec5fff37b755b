"""One measurement: a picture through a real file and back, timed, in a process of its own.

Coding and judging happen in separate processes, so that the networks of metrics neither slow coding down nor count as
its memory. A `Lane` is one of each and works on one picture at a time: with several lanes, several pictures are coded
at once.
"""

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from nic_core.errors import NicError, TargetUnreachable
from nic_core.files.atomic import atomic_write, make_folder
from nic_core.host.target import Target, Trial, search

from nic_eval import metrics
from nic_eval.contestants import Contestant, Setting, read_original, rgb

R = TypeVar("R")


class WorkerDied(NicError):
    """A worker process ended without an answer: killed, out of memory, or crashed in native code."""


@dataclass(frozen=True)
class Coded:
    """One coded picture.

    bytes: of the file. encode_s, decode_s: wall time with everything loaded. peak_memory: bytes that the process had in
    main memory at most meanwhile. decoded: uint8 (H, W, 3).
    """

    bytes: int
    encode_s: float
    decode_s: float
    peak_memory: int
    decoded: np.ndarray


class Coder:
    """Codes pictures with one contestant."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self._warm: set[str] = set()

    def code(self, source: Path, setting: Setting, target: Path) -> Coded:
        """Encode a picture, write the file, read it, decode it.

        The first time with some weights, all that is done once before, since it also loads them and warms caches.
        NicError where the decoded picture has another size.
        """
        original = read_original(source)
        if setting.weights not in self._warm:
            self.contestant.decode(self.contestant.encode(original, setting), setting)
            self._warm.add(setting.weights)
        reset_peak_memory()
        start = time.perf_counter()
        data = self.contestant.encode(original, setting)
        encode_s = time.perf_counter() - start

        make_folder(target.parent)
        atomic_write(target, data)
        data = target.read_bytes()

        start = time.perf_counter()
        decoded = self.contestant.decode(data, setting)
        decode_s = time.perf_counter() - start
        memory = peak_memory()
        if decoded.shape[:2] != original.pixels.shape[:2]:
            height, width = decoded.shape[:2]
            raise NicError(f"it decodes to {width} x {height} instead of {original.width} x {original.height}")
        return Coded(len(data), encode_s, decode_s, memory, decoded)

    def decode(self, path: Path, setting: Setting) -> np.ndarray:
        """Return the picture of a file that was coded before, uint8 (H, W, 3)."""
        return self.contestant.decode(path.read_bytes(), setting)

    def nearest(self, source: Path, target: Target) -> tuple[Setting, str]:
        """Return the setting whose file comes nearest to a rate without exceeding it, and a note where none does so."""
        picture = read_original(source)
        ladder = self.contestant.ladder()

        def attempt(rung: float) -> Trial:
            data = self.contestant.encode(picture, ladder[int(rung)])
            return Trial(rung, data, 8 * len(data) / (picture.width * picture.height))

        try:
            return ladder[int(search(attempt, range(len(ladder)), target).quality)], ""
        except TargetUnreachable as error:
            setting = ladder[int(error.nearest.quality)]
            return setting, f"{self.contestant.name} has no file of at most {target}: shown is {setting.label}"

    def gmacs(self, source: Path, setting: Setting) -> Mapping[str, float]:
        """Return what `Contestant.gmacs` counts."""
        return self.contestant.gmacs(read_original(source), setting)


def judge(names: Sequence[str], source: Path, decoded: np.ndarray) -> dict[str, float]:
    """Return the metrics of a decoded picture, without those that it is too small for. MetricUnavailable."""
    original = rgb(read_original(source).pixels)
    values = {name: metrics.load(name)(original, decoded) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def unavailable(names: Sequence[str]) -> dict[str, str]:
    """Return the metrics that cannot be had, each with its reason in one line."""
    found = {}
    for name in names:
        try:
            metrics.load(name)
        except metrics.MetricUnavailable as error:
            found[name] = str(error)
    return found


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
        """See the function; WorkerDied."""
        return self._call("judge", judge, names, source, decoded)

    def unavailable(self, names: Sequence[str]) -> dict[str, str]:
        """See the function; WorkerDied."""
        return self._call("judge", unavailable, names)

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


def reset_peak_memory() -> None:
    """Begin a new maximum, where the system can (Linux); elsewhere it is that of the process's life."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Return the most main memory that this process has had since `reset_peak_memory`, in bytes."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
