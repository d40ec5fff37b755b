"""Keeping the memory that a step frees for the next one."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Let this process keep freed memory until it ends; return whether its C library, glibc, does so.

    By default large tensors are given back to the system when they are freed, and the next step's are mapped anew, page
    by page, each cleared first, which costs most on virtual machines. The process then takes at any time what it took
    at most, and some more for gaps.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl has none
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, -1)])
