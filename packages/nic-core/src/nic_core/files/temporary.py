"""Temporary files beside what they become, which a later run removes if this one is killed.

A temporary is `.nic-HOST-RANDOM.part`; as long as its process lives it holds a lock on `.nic-HOST-RANDOM.lock` beside
it. The lock lies on a file of its own because some writers put another file in the place of the one that they are
given. A lock that is free tells that the process is gone, whatever process has its number now.
"""

import os
import re
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

HOST = sha256(socket.gethostname().encode()).hexdigest()[:6]
NAME = re.compile(r"(\.nic-([0-9a-f]{6})-[0-9a-f]{8})\.lock")

PATIENCE = 24 * 60 * 60
"""Seconds after which another host's leftovers are removed, since its locks may not be visible here."""

_swept: set[str] = set()


@contextmanager
def temporary(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield the path of a temporary file in a folder, not there yet, and the permissions that a new file has there.

    What lies at the path at the end is removed. OSError where nothing can be written into the folder.
    """
    if str(folder) not in _swept:
        _swept.add(str(folder))
        sweep(folder)
    descriptor, lock = _claim(folder)
    path = lock.with_suffix(".part")
    try:
        yield path, os.fstat(descriptor).st_mode & 0o777
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)
        _give_up(descriptor, lock)


def sweep(folder: Path) -> None:
    """Remove from a folder the temporary files of processes that are gone."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if found := NAME.fullmatch(name):
                with suppress(OSError):  # another user's, or another run removes it at the same time
                    _remove_if_left(folder / name, folder / f"{found[1]}.part", found[2])


def _claim(folder: Path) -> tuple[int, Path]:
    """Return a new lock file, open and locked."""
    while True:
        # Short, whatever the name of what is written, which may be at the limit itself.
        path = folder / f".nic-{HOST}-{secrets.token_hex(4)}.lock"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        try:
            mine = _lock(descriptor)
        except OSError:  # a file system without locks: then no other process can lock it either, and removes nothing
            mine = True
        if mine and path.exists():
            return descriptor, path
        _give_up(descriptor, path)  # another run swept it away between its making and its locking


def _remove_if_left(lock: Path, part: Path, host: str) -> None:
    if host != HOST and time.time() - lock.stat().st_mtime < PATIENCE:
        return
    descriptor = os.open(lock, os.O_RDWR)
    left = False
    try:
        left = _lock(descriptor)
        if left:
            part.unlink(missing_ok=True)
    finally:
        if left:
            _give_up(descriptor, lock)
        else:
            os.close(descriptor)


def _give_up(descriptor: int, lock: Path) -> None:
    if sys.platform == "win32":  # which removes no open file
        os.close(descriptor)
    with suppress(OSError):
        os.unlink(lock)
    if sys.platform != "win32":
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        """Lock an open file until it is closed; False where another has locked it."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        """Lock an open file until it is closed; False where another has locked it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
