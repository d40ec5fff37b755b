"""Work on parts of a picture by threads, for what frees Python's lock, as zlib does."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Made = TypeVar("Made")

_THREADS = min(4, os.cpu_count() or 1)


def ahead(function: Callable[[Part], Made], parts: Iterable[Part], count: int) -> Iterator[Made]:
    """Yield what a function makes of parts, in their order; later ones are made while an earlier one is used.

    count: of the parts; one alone takes no thread. Parts are taken in the thread of who iterates, so that what makes
    them need not know of others. What the function raises comes where its result would.
    """
    if count < 2:
        yield from map(function, parts)
        return
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for part in parts:
            waiting.append(pool.submit(function, part))
            if len(waiting) > _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
