"""The engine of this machine: each worker is a process, with its share of the cores or a GPU of its own."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nic_core import progress
from nic_core.cores import cores
from nic_core.engines.engine import Make, Stopped, Wanted, portable, raise_here
from nic_core.errors import CannotStart, WorkerDied
from nic_core.memory import keep_freed_memory

SHORT = 0.2
"""Seconds between two looks at whether the work shall end."""

PATIENCE = 0.5
"""Seconds that a process has to end by itself, so that no half file stays behind."""

GPUS = Path("/proc/driver/nvidia/gpus")

_starting = threading.Lock()
"""Held while a process starts: it takes over this one's environment."""


class LocalEngine:
    """Processes of this machine; see `nic_core.engines.engine.Engine`.

    On GPUs the workers are divided among them. Several workers share the cores, or what OMP_NUM_THREADS says if that is
    less, unless their threads are given.
    """

    bundle = 0.0

    def __init__(self, wanted: Wanted) -> None:
        gpus = [] if wanted.device not in ("auto", "cuda") else visible_gpus()
        available = cores()
        self.slots = wanted.workers or len(gpus) or max(1, available // (wanted.threads or 1))
        shared = {} if self.slots == 1 else {"OMP_NUM_THREADS": str(min(max(1, available // self.slots), _limit()))}
        threads = {"OMP_NUM_THREADS": str(wanted.threads)} if wanted.threads else shared
        self._environments = [
            threads | ({"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if gpus else {}) for slot in range(self.slots)
        ]
        self._workers: list[LocalWorker] = []
        self._given = {False: 0, True: 0}

    def worker(self, make: Make, *, beside: bool = False) -> "LocalWorker":
        """See `Engine.worker`."""
        with _starting:
            slot = self._given[beside] % self.slots
            self._given[beside] += 1
            worker = LocalWorker(make, self._environments[slot])
            self._workers.append(worker)
        return worker

    def close(self) -> None:
        """See `Engine.close`."""
        for worker in self._workers:
            worker.close()


class LocalWorker:
    """A process of this machine; see `nic_core.engines.engine.Worker`."""

    def __init__(self, make: Make, environment: dict[str, str]) -> None:
        self._make, self._environment = make, environment
        self._process: Any = None
        self._connection: Connection | None = None

    @property
    def pid(self) -> int | None:
        """The number of its process, None before the first task."""
        return self._process.pid if self._process else None

    def do(self, task: Any, receive: Callable[[Any], None]) -> Any:
        """See `Worker.do`."""
        begin = time.perf_counter()
        try:
            connection = self._connection or self._start()
            connection.send(task)
            while True:
                while not connection.poll(SHORT):
                    progress.check()
                kind, content = connection.recv()
                if kind == "ready":
                    progress.listener().opened(time.perf_counter() - begin)
                elif kind == "message":
                    receive(content)
                elif kind == "result":
                    return content
                elif kind == "unfit":
                    self.close()
                    raise CannotStart(f"a worker cannot start: {content}")
                else:
                    break
        except (EOFError, ConnectionError) as error:
            raise WorkerDied(f"the worker process died ({self._end()})") from error
        except BaseException:  # an interrupt, too: what the process does now, nobody waits for
            self.close()
            raise
        return raise_here(*content)

    def _start(self) -> Connection:
        # Not fork: torch and CUDA do not survive it.
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, self._make), name="nic worker", daemon=True)
        with _starting, _environment(self._environment):  # libraries read it when they are imported
            process.start()
        there.close()  # so that the end of the process is the end of the connection
        self._process, self._connection = process, here
        return here

    def _end(self) -> str:
        """Return in words how the process ended, after it did."""
        process = self._process
        self.close()
        code = process.exitcode if process else None
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"{signal.Signals(-code).name}: killed, out of memory, or crashed in native code"
        return f"exit code {code}"

    def close(self) -> None:
        """See `Worker.close`."""
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if connection:
            connection.close()
        if process:
            process.join(0)
            process.terminate()
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join(PATIENCE)


def _limit() -> int:
    """Return what OMP_NUM_THREADS says."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(text)) if text.isdigit() else sys.maxsize


def visible_gpus() -> list[str]:
    """Return what CUDA_VISIBLE_DEVICES calls each GPU of Nvidia's that this process may use."""
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in named.split(",") if name.strip() and name.strip() != "-1"]
    return [str(number) for number in range(len(list(GPUS.iterdir())))] if GPUS.is_dir() else []


@contextlib.contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Have some environment variables in a block."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _PipeLink:
    """See `nic_core.engines.engine.Link`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: Any, surely: bool = False) -> None:  # what is in the pipe outlives this process
        with self._sending:  # codecs work by several threads
            self._connection.send(("message", message))

    def check(self) -> None:
        """Does nothing: a signal ends the work."""


def _serve(connection: Connection, make: Make) -> None:
    """What a worker's process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides what ends
    signal.signal(signal.SIGTERM, _stop)
    keep_freed_memory()  # as `nic` does
    with contextlib.suppress(Stopped):
        with contextlib.suppress(EOFError, ConnectionError):  # the first process is gone, or wants no more
            _do_tasks(connection, make)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends anyway


def _do_tasks(connection: Connection, make: Make) -> None:
    link = _PipeLink(connection)
    try:
        serve = make()
    except Exception as error:
        connection.send(("unfit", " ".join(str(error).split()) or type(error).__name__))
        return
    connection.send(("ready", None))
    while True:
        task = connection.recv()
        try:
            answer = "result", serve(task, link)
        except ConnectionError:
            raise
        except Exception as error:  # a codec may raise anything
            answer = "raised", portable(error)
        connection.send(answer)


def _stop(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped
