"""Read the header of a .nic file with nothing but Python: `python read_header.py FILE` prints it as JSON.

Written from docs/format.md alone; it imports nothing of nic.
"""

import json
import struct
import sys
import zlib

GRAY, DEEP, LARGE, QUALITY, PARAMS, UNITS, CHUNKS = (1 << bit for bit in range(7))


def read_header(data: bytes) -> dict:
    """Return what a file's header says; ValueError where it is no sound .nic file of version 1."""
    if data[:4] != b"\x89NIC" or len(data) < 10 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise ValueError("no .nic file, or a damaged one")
    if data[4] != 1 or data[5] > 127:
        raise ValueError(f"version {data[4]}, flags {data[5]}: a newer file")
    flags, at, end = data[5], 6, len(data) - 4

    def take(count: int) -> bytes:
        nonlocal at
        at += count
        if at > end:
            raise ValueError("the file ends too early")
        return data[at - count : at]

    def text() -> str:
        return take(take(1)[0]).decode("ascii")

    def leb() -> int:
        number = shift = 0
        while (byte := take(1)[0]) > 127:
            number, shift = number | (byte & 127) << shift, shift + 7
        return number | byte << shift

    width, height = struct.unpack("<II", take(8)) if flags & LARGE else struct.unpack("<HH", take(4))
    head = {"width": width, "height": height}
    head |= {"channels": 1 if flags & GRAY else 3, "bit_depth": 16 if flags & DEEP else 8, "codec": text()}
    number = take(1)[0]
    head["coder"] = {1: "rans", 2: "interleaved"}.get(number, f"number {number}") if number else text()
    head |= {"entropy_id": take(4).hex(), "synthesis_id": take(4).hex()}
    head["quality"] = int.from_bytes(take(2), "little") / 100 if flags & QUALITY else None
    head["checksum"] = int.from_bytes(take(2), "little")
    head["params"] = take(leb()).hex() if flags & PARAMS else ""
    lengths = None
    if flags & UNITS:
        tile_width, tile_height, streams = leb(), leb(), leb()
        lengths = [leb() for _ in range(-(-width // tile_width) * -(-height // tile_height) * streams)]
    head["chunks"] = {take(4).decode("ascii"): len(take(leb())) for _ in range(leb())} if flags & CHUNKS else {}
    head["units"] = lengths or [end - at]
    if sum(head["units"]) != end - at:
        raise ValueError("the unit lengths do not add up")
    return head


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        print(json.dumps(read_header(file.read()), indent=1))
