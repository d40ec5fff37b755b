"""Work on parts of something by threads, while others are made or used: for what frees Python's lock."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Part = TypeVar("Part")
Made = TypeVar("Made")

THREADS = min(4, os.cpu_count() or 1)


def ahead(
    function: Callable[[Part], Made], parts: Iterable[Part], count: int = 2, threads: int = THREADS
) -> Iterator[Made]:
    """Yield what a function makes of parts, in their order; later ones are made while an earlier one is used.

    count: of the parts, where it is known; one alone takes no thread. threads: that run the function; one part more
    than these at most is in the making. Parts are taken in the thread of who iterates, so that what makes them need not
    know of others. What the function raises comes where its result would. It has the context variables of who iterates.
    """
    if count < 2:
        yield from map(function, parts)
        return
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for part in parts:
                waiting.append(pool.submit(copy_context().run, function, part))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
