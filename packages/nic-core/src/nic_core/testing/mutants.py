"""Files that are damaged in many ways: the same seed gives the same ones."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from nic_core.format.container import unpack

HEAD = 5
"""The magic bytes and the version, which are left as they are: what differs there is refused by core at once."""


def mutants(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield changed files, in turns before their units and in these.

    Bits are flipped, bytes put in and taken out, ends cut; most have the CRC that belongs to them: codecs see them.
    """
    random = np.random.default_rng(seed)
    body = data[:-4]
    start = len(body) - sum(map(len, unpack(data).units))
    for number in range(count):
        low, high = (HEAD, start) if number % 2 or start == len(body) else (start, len(body))
        changed = bytearray(body)
        for _ in range(int(random.integers(1, 4))):
            place = min(int(random.integers(low, high)), len(changed) - 1)
            more = random.bytes(int(random.integers(4)))
            if random.random() < 0.7:
                changed[place] ^= 1 << int(random.integers(8))
            else:
                changed[place : place + int(random.integers(4))] = more
        if number % 5 == 4:
            del changed[int(random.integers(low, high)) :]
        yield bytes(changed) + (struct.pack("<I", zlib.crc32(changed)) if number % 6 else data[-4:])
