"""Runs functions in fresh processes: what one leaves in memory neither slows the next down nor counts as its own."""

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from nic_core.errors import NicError
from nic_core.memory import keep_freed_memory

R = TypeVar("R")


def in_process(function: Callable[..., R], *given: Any) -> R:
    """Return what a function gives in a process of its own; its exceptions come back too.

    NicError where the process dies. An interrupt ends it at once.
    """
    # Not fork: torch does not survive it, and the process would start with what this one holds.
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _start)
    try:
        return pool.submit(function, *given).result()
    except BrokenProcessPool as error:
        raise NicError("its process died: killed, out of memory, or crashed in native code") from error
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start() -> None:
    keep_freed_memory()  # as `nic encode` and `nic decode` do
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides what ends
