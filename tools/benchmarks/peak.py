"""How far one piece of work takes a process's memory; Linux alone says, elsewhere the measure is 0."""

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Growth:
    """Bytes at the peak of the work above those before it, once it is done."""

    bytes: int = 0


@contextmanager
def growth() -> Iterator[Growth]:
    """Measure a block; also one that fails."""
    found = Growth()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # memory that was freed would serve the work without being counted
        CLEAR.write_text("5")  # the peak begins anew
    before = _resident("VmRSS")
    try:
        yield found
    finally:
        found.bytes = max(0, _resident("VmHWM") - before)


def _resident(field: str) -> int:
    with suppress(OSError):
        if found := re.search(rf"{field}:\s+(\d+) kB", STATUS.read_text()):
            return int(found[1]) << 10
    return 0
