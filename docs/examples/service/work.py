"""Work on pictures by threads: so much at once, so much waiting, and each for so long."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from nic_core import progress

Made = TypeVar("Made")


class Busy(Exception):
    """As much work waits as may."""


class TooSlow(Exception):
    """Some work takes longer than it may."""


class Abandoned(Exception):
    """Nobody waits for the result any more."""


class Workers:
    """threads: that work at once. waiting: how much more may wait. seconds: from asking to answering."""

    def __init__(self, threads: int, waiting: int, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(threads, "pictures")
        self._free = threads + waiting
        self._seconds = seconds

    async def run(self, function: Callable[..., Made], *arguments: object) -> Made:
        """Return what a function returns, called by a thread; Busy at once, TooSlow at the next step of the work."""
        if not self._free:
            raise Busy
        self._free -= 1
        loop, abandoned, end = asyncio.get_running_loop(), threading.Event(), time.monotonic() + self._seconds

        def check() -> None:
            if abandoned.is_set():
                raise Abandoned
            if time.monotonic() > end:
                raise TooSlow

        def work() -> Made:
            with progress.checking(check):
                check()  # it may have waited for too long
                return function(*arguments)

        def release() -> None:
            self._free += 1

        future = self._pool.submit(copy_context().run, work)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(release))
        try:
            return await asyncio.wrap_future(future)
        finally:
            abandoned.set()
