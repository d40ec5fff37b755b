"""A file's bytes in memory, or in a file of which slices are read when they are asked for."""

from __future__ import annotations

import io
import os
import threading
import weakref
from collections.abc import Iterator
from typing import BinaryIO

from nic_core.files import places
from nic_core.files.places import Place

_PIECE = 1 << 18  # bytes that are read at a time: few beside a band of pixels, and many beside a call


class FileBytes:
    """The bytes of a file, which stays open as long as this lives; like `bytes` for len() and slices.

    Slices can be taken from several threads. OSError where the file cannot be opened or read.
    """

    def __init__(self, path: Place) -> None:
        self.file = places.open_binary(path)  # closed below
        weakref.finalize(self, self.file.close)
        self._length = self.file.seek(0, os.SEEK_END)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many bytes there are."""
        return self._length

    def __getitem__(self, part: slice) -> bytes:
        """Return bytes that follow one another; fewer where the file has become shorter."""
        start, end, step = part.indices(self._length)
        if step != 1:
            raise ValueError("bytes of a file are taken one after another")
        with self._lock:
            self.file.seek(start)
            return self.file.read(max(0, end - start))


Content = bytes | FileBytes
"""What a picture is read from."""


def as_file(content: Content) -> BinaryIO:
    """Return content as a file, at its beginning; of an open one the file itself, whose position others move too."""
    if isinstance(content, FileBytes):
        content.file.seek(0)
        return content.file
    return io.BytesIO(content)


def pieces(content: Content, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes from `start` to before `end`, some at a time."""
    for at in range(start, end, _PIECE):
        yield content[at : min(at + _PIECE, end)]
