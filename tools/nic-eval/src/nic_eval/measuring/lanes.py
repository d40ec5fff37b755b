"""Lanes: processes that measurements run in.

Coding and judging happen in separate processes, so that the networks of metrics neither slow coding down nor count as
its memory. A `Lane` is one of each and works on one picture at a time: with several lanes, several pictures are coded
at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from nic_core.codec import Estimated
from nic_core.engines.engine import Engine, Link, Serve, Worker
from nic_core.errors import WorkerDied
from nic_core.host.target import Target

from nic_eval.contestants.contestant import Contestant, Setting
from nic_eval.measuring import coder
from nic_eval.measuring.coder import Coded, Coder

R = TypeVar("R")


class Lane:
    """A worker of an engine that codes and one that judges, in processes that start when they are first needed.

    A worker that dies is replaced, and what it did is tried once more.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._contestant: Contestant | None = None
        self._workers: dict[str, Worker] = {}

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

    def estimate(self, source: Path, setting: Setting) -> Estimated:
        """See `Coder.estimate`; WorkerDied."""
        return self._call("coder", _estimate, source, setting)

    def nearest(self, source: Path, target: Target) -> tuple[Setting, str]:
        """See `Coder.nearest`; WorkerDied."""
        return self._call("coder", _nearest, source, target)

    def gmacs(self, source: Path, setting: Setting) -> Mapping[str, float]:
        """See `Coder.gmacs`; WorkerDied."""
        return self._call("coder", _gmacs, source, setting)

    def judge(self, names: Sequence[str], source: Path, decoded: np.ndarray) -> dict[str, float]:
        """See `coder`'s function; WorkerDied."""
        return self._call("judge", _judge, names, source, decoded)

    def unavailable(self, names: Sequence[str]) -> dict[str, str]:
        """See `coder`'s function; WorkerDied."""
        return self._call("judge", _unavailable, names)

    def leave(self, *roles: str) -> None:
        """End the processes of these roles, or of all."""
        for role in roles or tuple(self._workers):
            if worker := self._workers.pop(role, None):
                worker.close()

    def _call(self, role: str, function: Callable[..., R], *arguments: Any) -> R:
        if role not in self._workers:
            judges = role == "judge"
            contestant = None if judges else self._contestant
            self._workers[role] = self._engine.worker(partial(_start, contestant), beside=judges)
        worker, task = self._workers[role], (function, arguments)
        try:
            result: R = worker.do(task, lambda message: None)
        except WorkerDied:
            result = worker.do(task, lambda message: None)
        return result


@contextmanager
def open_lanes(engine: Engine) -> Iterator[tuple[Lane, ...]]:
    """Yield as many lanes as an engine has room for. Their processes end with the block, whatever they do."""
    lanes = tuple(Lane(engine) for _ in range(engine.slots))
    try:
        yield lanes
    finally:
        for lane in lanes:
            lane.leave()


def _start(contestant: Contestant | None) -> Serve:
    """Prepare a worker."""
    ready = Coder(contestant) if contestant is not None else None

    def serve(task: tuple[Callable[..., Any], tuple[Any, ...]], link: Link) -> Any:
        function, arguments = task
        return function(ready, *arguments)

    return serve


def _code(ready: Coder, source: Path, setting: Setting, target: Path) -> Coded:
    return ready.code(source, setting, target)


def _decode(ready: Coder, path: Path, setting: Setting) -> np.ndarray:
    return ready.decode(path, setting)


def _estimate(ready: Coder, source: Path, setting: Setting) -> Estimated:
    return ready.estimate(source, setting)


def _nearest(ready: Coder, source: Path, target: Target) -> tuple[Setting, str]:
    return ready.nearest(source, target)


def _gmacs(ready: Coder, source: Path, setting: Setting) -> Mapping[str, float]:
    return ready.gmacs(source, setting)


def _judge(_: None, names: Sequence[str], source: Path, decoded: np.ndarray) -> dict[str, float]:
    return coder.judge(names, source, decoded)


def _unavailable(_: None, names: Sequence[str]) -> dict[str, str]:
    return coder.unavailable(names)
