"""What a zlib stream unpacks to, taken from the front."""

import zlib
from collections.abc import Iterator

from nic_core.errors import BadPicture

MOST_GROWTH = 1040
"""What one byte of a stream can become, and a few more for good measure."""


class Inflated:
    """A zlib stream that comes in pieces; only what is asked for is unpacked, whatever the stream holds."""

    def __init__(self, packed: Iterator[bytes]) -> None:
        self._packed, self._inflate = packed, zlib.decompressobj()

    def take(self, count: int) -> bytes:
        """Return the next bytes; BadPicture where there are fewer, zlib.error where the stream is damaged."""
        parts = []
        while count:
            part, more = self._some(count)
            if not part and not more:
                raise BadPicture("the file is cut short")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def check(self) -> None:
        """Read the checksum, where nothing superfluous comes before it; zlib.error where it is another."""
        part, more = b"", True
        while more and not part:
            part, more = self._some(1)

    def _some(self, most: int) -> tuple[bytes, bool]:
        """Return bytes, which may be none, and whether asking again can give more."""
        if self._inflate.eof:
            return b"", False
        packed = self._inflate.unconsumed_tail or next(self._packed, b"")
        return self._inflate.decompress(packed, most), bool(packed)
