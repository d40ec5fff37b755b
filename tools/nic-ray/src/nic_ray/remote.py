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

Messages = queue.SimpleQueue[tuple[tuple[str, Any], threading.Event] | None]
"""What a task says and what it returns, each with what is set when it has arrived; None at the end."""

SHORT = 0.2
"""Seconds between two looks at whether the work shall end."""

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
        messages: Messages = queue.SimpleQueue()
        self._thread.submit(self._work, task, messages)
        while (given := messages.get()) is not None:
            message, arrived = given
            yield message  # which takes until the message was received, as the engine calls it
            arrived.set()

    def _work(self, task: Any, messages: Messages) -> None:
        link = _QueueLink(messages, self._stopped)
        try:
            if self._serve is None:
                try:
                    self._serve = self._open()
                except Exception as error:
                    link.put("unfit", " ".join(str(error).split()) or type(error).__name__)
                    return
                link.put("ready", None)
            try:
                link.put("result", self._serve(task, link))
            except Exception as error:  # a codec may raise anything
                link.put("raised", portable(error))
        except Stopped:
            link.put("raised", (RuntimeError("stopped"), ""))
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

    def __init__(self, messages: Messages, stopped: threading.Event) -> None:
        self._messages, self._stopped = messages, stopped

    def put(self, kind: str, content: Any) -> threading.Event:
        arrived = threading.Event()
        self._messages.put(((kind, content), arrived))
        return arrived

    def send(self, message: Any, surely: bool = False) -> None:
        arrived = self.put("message", message)
        while surely and not arrived.wait(SHORT):
            self.check()

    def check(self) -> None:
        if self._stopped.is_set():
            raise Stopped
