"""How long a file of anyone's may be decoded. How large it may be is checked where it is read (`format.container`)."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from nic_core import progress
from nic_core.errors import BadOption, OutOfTime

Item = TypeVar("Item")
FORM = "must be a number of seconds above 0, such as 30 or 0.5, not"


def second_limit(seconds: float | None = None) -> float:
    """Return the seconds that decoding may take: those given, else NIC_MAX_SECONDS, else infinity.

    BadOption for what is no number above 0.
    """
    if seconds is not None:
        if not seconds > 0:  # which NaN is not either
            raise BadOption(f"max_seconds {FORM} {seconds!r}")
        return seconds
    text = os.environ.get("NIC_MAX_SECONDS") or "inf"
    try:
        if (limit := float(text)) > 0:
            return limit
    except ValueError:
        pass
    raise BadOption(f"NIC_MAX_SECONDS {FORM} {text[:40]!r}")


@contextmanager
def time_limit(seconds: float, start: float | None = None) -> Iterator[None]:
    """End work in this block by OutOfTime at the first step, of those it passes, after so many seconds.

    start: since when they count, by `time.monotonic`; None for now.
    """
    end = (time.monotonic() if start is None else start) + seconds

    def check() -> None:
        if time.monotonic() > end:
            raise OutOfTime(
                f"decoding takes longer than the limit of {seconds:g} seconds; "
                "raise it with --max-seconds or NIC_MAX_SECONDS if you trust the file"
            )

    if math.isinf(seconds):
        yield
    else:
        with progress.checking(check):
            yield


def limited(items: Iterator[Item], seconds: float) -> Iterator[Item]:
    """Yield items, and end making them by OutOfTime as `time_limit` does; time between them counts, too."""
    start = time.monotonic()
    while True:
        with time_limit(seconds, start):  # not around the loop: it would hold for whoever takes the items, too
            item = next(items, None)
        if item is None:
            return
        yield item
