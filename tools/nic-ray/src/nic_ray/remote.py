"""The actor: a process on one of a cluster's machines that does tasks, as `nic_core.engines.engine` defines them."""

import contextlib
import os
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import nic_core
import ray
from nic_core.engines.engine import Make, Serve, Stopped, portable
from nic_core.memory import keep_freed_memory

CONTROL = "control"
"""The group of methods that run beside a task."""


@ray.remote(max_restarts=0, max_task_retries=0, concurrency_groups={CONTROL: 1})  # type: ignore[call-overload]
class Actor:
    """Does one task after another.

    make: see `nic_core.engines.engine.Make`; called with the first task. version: of the nic-core that asks.
    folder: the current one of who asks, which paths are relative to; kept to where this machine has it.
    """

    def __init__(self, make: Make, version: str, folder: str) -> None:
        self._make, self._version = make, version
        self._serve: Serve | None = None
        self._stopped = threading.Event()
        self._thread = ThreadPoolExecutor(1)  # one for all tasks: torch keeps a pool of its own for each
        with contextlib.suppress(OSError):
            os.chdir(folder)

    def do(self, task: Any) -> Iterator[tuple[str, Any]]:
        """Do a task, and yield what `nic_core.engines.local` sends through its pipe: messages, and then the result."""
        messages: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
        self._thread.submit(self._work, task, messages)
        while (message := messages.get()) is not None:
            yield message

    def _work(self, task: Any, messages: queue.SimpleQueue[tuple[str, Any] | None]) -> None:
        try:
            if self._serve is None:
                try:
                    self._serve = self._open()
                except Exception as error:
                    messages.put(("unfit", " ".join(str(error).split()) or type(error).__name__))
                    return
                messages.put(("ready", None))
            try:
                messages.put(("result", self._serve(task, _QueueLink(messages, self._stopped))))
            except Exception as error:  # a codec may raise anything
                messages.put(("raised", portable(error)))
        except Stopped:
            messages.put(("raised", (RuntimeError("stopped"), "")))
        finally:
            messages.put(None)

    def _open(self) -> Serve:
        if nic_core.__version__ != self._version:
            raise RuntimeError(f"its machine has nic-core {nic_core.__version__}, and this one {self._version}")
        keep_freed_memory()  # as `nic` does
        return self._make()

    @ray.method(concurrency_group=CONTROL)
    def stop(self) -> None:
        """End the task at its next step."""
        self._stopped.set()

    @ray.method(concurrency_group=CONTROL)
    def pid(self) -> int:
        """Return the number of the process."""
        return os.getpid()


class _QueueLink:
    """See `nic_core.engines.engine.Link`."""

    def __init__(self, messages: queue.SimpleQueue[tuple[str, Any] | None], stopped: threading.Event) -> None:
        self._messages, self._stopped = messages, stopped

    def send(self, message: Any) -> None:
        self._messages.put(("message", message))

    def check(self) -> None:
        if self._stopped.is_set():
            raise Stopped
