"""Threads over the rows of a map; results do not depend on how many. C releases the GIL, so all cores can work.

What runs beside one another writes rows of its own.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

WORTH = 1 << 20
"""Steps of work, about 16 products each, below which handing rows to another thread costs more than it saves."""


def available() -> int:
    """Return how many cores this process may use: OMP_NUM_THREADS where it is set, as for other numeric libraries."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told):
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Setting:
    """How many threads a layer may use. count: None for `available`, found when it is first asked for."""

    def __init__(self) -> None:
        self._count: int | None = None

    @property
    def count(self) -> int:
        """How many."""
        if self._count is None:
            self._count = available()
        return self._count

    @count.setter
    def count(self, count: int | None) -> None:
        if count is not None and count < 1:
            raise ValueError("at least one thread must run")
        self._count = count


threads = Setting()


@lru_cache(maxsize=1)
def _helpers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(os.cpu_count() or 1, threads.count), "nic-rows")


if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def by_rows(run: Callable[[int, int], None], rows: int, work: int) -> None:
    """Call run(start, stop) for ranges that cover all rows; work: of them all, see WORTH."""
    parts = max(1, min(threads.count, rows, work // WORTH))
    bounds = [rows * part // parts for part in range(parts + 1)]
    others: list[Future[None]] = []
    if parts > 1:
        others = [_helpers().submit(run, *bounds[part : part + 2]) for part in range(1, parts)]
    try:
        run(0, bounds[1])
    finally:
        for other in others:
            other.result()
