"""What is said where there is too little memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from nic_core.errors import OutOfMemory


@contextmanager
def explained(advice: str) -> Iterator[None]:
    """Turn a device's or the system's lack of memory into OutOfMemory: "too little memory" and the advice."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch has no one type for it
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "alloc" not in str(error).lower():
            raise
        raise OutOfMemory(f"too little memory {advice}") from error
