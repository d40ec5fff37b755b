"""How a process that codes on the CPU treats memory, and what it says where there is too little."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from nic_core.errors import OutOfMemory

MMAP_MAX, TRIM_THRESHOLD = -4, -1  # the names' numbers in glibc's malloc.h
KEPT = 1 << 30


def keep_freed_memory() -> None:
    """Let this process keep up to 1 GiB of freed memory for the next tensors, where the C library is glibc.

    By default every tensor above 32 MiB comes as fresh pages from the system and goes back when it is freed. At high
    resolutions the page faults of that take a quarter of the time of coding. Calling it again changes nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_MAX, 0)
        libc.mallopt(TRIM_THRESHOLD, KEPT)


@contextmanager
def explained(advice: str) -> Iterator[None]:
    """Turn a device's or the system's lack of memory into OutOfMemory: "too little memory" and the advice."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch has no one type for it
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "alloc" not in str(error).lower():
            raise
        raise OutOfMemory(f"too little memory {advice}") from error
