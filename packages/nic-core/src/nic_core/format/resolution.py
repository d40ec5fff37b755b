"""The chunk of a picture's resolution. Apart from the others, which take numpy and Pillow: `nic info` does without."""

import struct

from nic_core.errors import DamagedFile
from nic_core.pictures.dpi import sound_dpi

RESOLUTION = "dpis"


def pack(dpi: tuple[float, float]) -> bytes:
    """Return pixels per inch as a chunk's content: one number where both are the same."""
    values = dpi[:1] if dpi[0] == dpi[1] else dpi
    return struct.pack(f"<{len(values)}f", *values)


def stated(chunks: dict[str, bytes]) -> tuple[float, float] | None:
    """Return the pixels per inch that a file states outside its EXIF; DamagedFile where they are none."""
    if RESOLUTION not in chunks:
        return None
    data = chunks[RESOLUTION]
    values = struct.unpack(f"<{len(data) // 4}f", data) if len(data) in (4, 8) else ()
    if not values or (dpi := sound_dpi(values[0], values[-1])) is None:
        raise DamagedFile("the resolution chunk is damaged")
    return dpi
