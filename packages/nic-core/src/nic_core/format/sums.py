"""The chunk of a tiled file that tells sound units from damaged ones, and decoded tiles from wrongly decoded ones."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from nic_core.errors import DamagedFile

SUMS = "sums"


@dataclass(frozen=True)
class Sums:
    """What a tiled file's parts must come to.

    head: CRC-32 of the file's bytes before the chunk. units: CRC-32 of the bytes of each unit.
    symbols: CRC-32 of the symbols of each unit, in the order of its coding.
    """

    head: int
    units: tuple[int, ...]
    symbols: tuple[int, ...]

    def pack(self) -> bytes:
        """Return the chunk's content."""
        pairs = (number for pair in zip(self.units, self.symbols, strict=True) for number in pair)
        return struct.pack(f"<{1 + 2 * len(self.units)}I", self.head, *pairs)

    @classmethod
    def unpack(cls, data: bytes, units: int) -> "Sums":
        """Return what a chunk holds; DamagedFile where it is not one of so many units."""
        if len(data) != 4 + 8 * units:
            raise DamagedFile(f"the file has checksums of {(len(data) - 4) / 8:g} units, and {units} units")
        head, *pairs = struct.unpack(f"<{1 + 2 * units}I", data)
        return cls(head, tuple(pairs[::2]), tuple(pairs[1::2]))


def combined(symbols: Sequence[int]) -> int:
    """Return the checksum of a tiled file: a CRC-32 over those of its tiles."""
    return zlib.crc32(struct.pack(f"<{len(symbols)}I", *symbols))
