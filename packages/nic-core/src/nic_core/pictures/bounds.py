"""Sizes that files claim, read here where a decoder would work or allocate before it checks them."""

import struct
from collections.abc import Callable, Iterator

from nic_core.errors import BadPicture

CheckSize = Callable[[int, int], None]
"""Called with (width, height) before pixels are allocated; raises BadPicture."""

_MOST_SCANS = 64  # each goes over all pixels, which 200 bytes can ask for; encoders make about ten
_JXL_RATIOS = ((1, 1), (6, 5), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def check_webp(data: bytes) -> None:
    """Raise BadPicture where a WebP file is shorter than it says."""
    if len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise BadPicture("the file is cut short")


def check_jpeg(data: bytes) -> None:
    """Raise BadPicture where a JPEG file has more scans than any encoder makes."""
    position, scans = 2, 0
    while (position := data.find(b"\xff", position)) >= 0 and position + 4 <= len(data):
        kind = data[position + 1]
        if kind == 0xD9:  # the end; what follows may be other pictures
            break
        scans += kind == 0xDA
        has_length = 0xC0 <= kind <= 0xFE and not 0xD0 <= kind <= 0xD8
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big") if has_length else 1
    if scans > _MOST_SCANS:
        raise BadPicture(f"it has {scans} scans over the picture, and more than {_MOST_SCANS} are refused")


def jxl_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) of a JPEG XL file; BadPicture where the header is not there."""
    if not data.startswith(b"\xff\x0a"):
        streams = {b"jxlc": 0, b"jxlp": 4}  # the second after a number
        data = next((body[streams[kind] :] for kind, body in boxes(data) if kind in streams), b"")
    if not data.startswith(b"\xff\x0a"):
        raise BadPicture("the file is damaged: it has no codestream")
    bits = int.from_bytes(data[2:14].ljust(12, b"\0"), "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else 1 + take((9, 13, 18, 30)[take(2)])

    height = side()
    ratio = take(3)
    if not ratio:
        return side(), height
    numerator, denominator = _JXL_RATIOS[ratio - 1]
    return height * numerator // denominator, height


def jxl_xmp(data: bytes) -> bytes | None:
    """Return the XMP packet of a JPEG XL file, None where there is none that is stored plainly."""
    return next((body for kind, body in boxes(data) if kind == b"xml " and b"xmpmeta" in body), None)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, content) of the outermost boxes of a file in ISO's base media format, up to a damaged one."""
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1 and start + 8 <= len(data):
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = position + length if length else len(data)
        if end < start:
            return
        yield kind, data[start:end]
        position = end
