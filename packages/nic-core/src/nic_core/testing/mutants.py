"""Files that are damaged in many ways: the same seed gives the same ones."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from nic_core.format.container import unpack

HEAD = 5
"""The magic bytes and the version, which are left as they are: what differs there is refused by core at once."""


def mutants(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield changed files: bits flipped and ends cut, most with the CRC that belongs to them, so that codecs see them."""
    random = np.random.default_rng(seed)
    body = data[:-4]
    start = len(body) - sum(map(len, unpack(data).units))
    for number in range(count):
        low, high = (HEAD, start) if number % 2 or start == len(body) else (start, len(body))
        changed = bytearray(body)
        if number % 5 == 4:
            changed = changed[: int(random.integers(low, high))]
        else:
            for _ in range(int(random.integers(1, 4))):
                changed[int(random.integers(low, high))] ^= 1 << int(random.integers(8))
        sealed = struct.pack("<I", zlib.crc32(changed)) if number % 6 else data[-4:]
        yield bytes(changed) + sealed
