"""Two kinds of work at once, of which each makes what the other one needs."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(function: Callable[[Item], Result], items: Iterable[Item], most: int) -> Iterator[Result]:
    """Yield function(item) for every item in order: a thread computes while the caller makes items and takes results.

    most: how many items may be made before the first of their results is taken.
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(1) as thread:
        try:
            for item in items:
                pending.append(thread.submit(copy_context().run, function, item))
                while len(pending) >= most:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            thread.shutdown(cancel_futures=True)
