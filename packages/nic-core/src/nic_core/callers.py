"""Exceptions of a caller's own code that runs within a plugin's: a listener, a source of rows, who is told of damage.

They are no fault of the plugin, and pass through it as they are; `nic_core.plugins.faults` looks for them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

MARK = "_nic_of_the_caller"


@contextmanager
def callers_own() -> Iterator[None]:
    """Mark what is raised in this block as the caller's own."""
    try:
        yield
    except BaseException as error:
        mark(error)
        raise


def mark(error: BaseException) -> None:
    """Mark an exception as the caller's own."""
    setattr(error, MARK, True)


def within(error: BaseException, outer: BaseException | None) -> BaseException | None:
    """Return the caller's own exception that led to an error, itself perhaps; None where none did.

    outer: what was being handled before, which did not lead to it.
    """
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and found is not outer and id(found) not in seen:
        if getattr(found, MARK, False):
            return found
        seen.add(id(found))
        found = found.__cause__ or found.__context__
    return None
