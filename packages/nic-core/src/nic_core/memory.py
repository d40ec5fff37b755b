"""What a process does with memory that it has freed: its own choice, which no library makes for it."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of glibc's malloc.h."""
ALL = -1


def keep_freed_memory(most: int = 1 << 30) -> bool:
    """Let this process keep freed memory for what comes next; return whether its C library, glibc, does so.

    By default whatever is above 32 MiB comes as fresh pages from the system and goes back when it is freed. Where
    torch codes large pictures, the page faults of that take a quarter of the time. Calling it again changes only
    how much is kept.

    most: bytes that are kept at a time, up to 2 GiB, or `ALL`.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl has none
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, min(most, (1 << 31) - 1))])
