"""The .nic file, version 1: packing and unpacking, no codec knowledge. docs/format.md is the specification.

All integers are little-endian. Every length is checked against what is left of the file before it is used.
"""

import os
import re
import struct
import zlib
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from nic_core.bytestream import Reader, varint
from nic_core.errors import BadOption, BadPicture, DamagedFile, UnsupportedFile
from nic_core.format.sums import SUMS, Sums
from nic_core.format.tiling import Tiling

MAGIC = b"\x89NIC"
VERSION = 1
CODERS = {1: "rans", 2: "interleaved"}
"""Coders that have a number; others are spelled out behind a zero."""

GRAY, DEEP, LARGE, QUALITY, PARAMS, UNITS, CHUNKS = (1 << bit for bit in range(7))
KNOWN_FLAGS = (1 << 7) - 1

Data = bytes | bytearray | memoryview
"""A .nic file in memory."""

UNLIMITED = 1 << 64
"""More pixels than a header can claim."""

LARGEST_CHUNK = 1 << 26
"""Bytes that a compressed chunk may grow to when it is unpacked."""


def pixel_limit() -> int:
    """Return the largest number of pixels a reader accepts: NIC_MAX_PIXELS, or 250 million; BadOption for no number."""
    text = os.environ.get("NIC_MAX_PIXELS") or "250_000_000"
    if not re.fullmatch(r"\s*[1-9][0-9_]{0,18}\s*", text):
        raise BadOption(f"NIC_MAX_PIXELS must be a whole number of pixels, such as 250000000, not {text[:40]!r}")
    return int(text.replace("_", ""))


@dataclass(frozen=True)
class Header:
    """What is known of a picture without decoding it.

    width, height: pixels; channels: 1 or 3; bit_depth: 8 or 16.
    codec, coder: ids. entropy_id, synthesis_id: weights fingerprints, 8 hexadecimal digits.
    quality: 1 to 100 in hundredths, or None. params: the codec's own block.
    checksum: the low 16 bits of the CRC-32 over the symbols; of a tiled file, of that over its tiles' checksums.
    """

    width: int
    height: int
    channels: int
    bit_depth: int
    codec: str
    coder: str
    entropy_id: str
    synthesis_id: str
    quality: float | None
    checksum: int
    params: bytes = b""
    tiling: Tiling | None = None


@dataclass(frozen=True)
class File:
    """A whole file: header, coded units, and optional chunks by their four-letter type.

    Chunk data is as stored; `compress_chunk` and `expand_chunk` convert the types that are deflated.
    symbols: of a tiled file, the CRC-32 of each unit's symbols; they and the CRCs of the units make one more chunk.
    """

    header: Header
    units: tuple[bytes, ...]
    chunks: dict[str, bytes] = field(default_factory=dict)
    symbols: tuple[int, ...] = ()


def pack(file: File) -> bytes:
    """Return the bytes of a file; ValueError where its parts contradict each other."""
    head = file.header
    wanted = 1 if head.tiling is None else head.tiling.unit_count(head.width, head.height)
    if len(file.units) != wanted:
        raise ValueError(f"the file must have {wanted} units, not {len(file.units)}")
    if file.symbols and (head.tiling is None or len(file.symbols) != wanted):
        raise ValueError(f"a file of {wanted} units cannot have checksums of {len(file.symbols)} tiles")
    if head.quality is not None and not 1 <= head.quality <= 100:
        raise ValueError(f"the quality must be from 1 to 100, not {head.quality}")
    if bad := [kind for kind in file.chunks if not _is_chunk_type(kind)]:
        raise ValueError(f"a chunk's type is four ASCII letters, not {bad[0]!r}")
    large = max(head.width, head.height) > 0xFFFF
    flags = (
        GRAY * (head.channels == 1)
        | DEEP * (head.bit_depth == 16)
        | LARGE * large
        | QUALITY * (head.quality is not None)
        | PARAMS * bool(head.params)
        | UNITS * (head.tiling is not None)
        | CHUNKS * bool(file.chunks or file.symbols)
    )
    numbers = {name: number for number, name in CODERS.items()}
    coder = bytes([numbers[head.coder]]) if head.coder in numbers else b"\0" + _text(head.coder)
    parts = [
        MAGIC,
        bytes([VERSION, flags]),
        struct.pack("<II" if large else "<HH", head.width, head.height),
        _text(head.codec),
        coder,
        bytes.fromhex(head.entropy_id),
        bytes.fromhex(head.synthesis_id),
        b"" if head.quality is None else struct.pack("<H", round(head.quality * 100)),
        struct.pack("<H", head.checksum),
    ]
    if head.params:
        parts += [varint(len(head.params)), head.params]
    if head.tiling is not None:
        numbers_of_tiling = (head.tiling.width, head.tiling.height, head.tiling.streams)
        parts += [varint(number) for number in (*numbers_of_tiling, *map(len, file.units))]
    if count := len(file.chunks) + bool(file.symbols):
        parts.append(varint(count))
        for kind, data in file.chunks.items():
            parts += [kind.encode("ascii"), varint(len(data)), data]
    head_bytes = b"".join(parts)
    if file.symbols:
        sums = Sums(zlib.crc32(head_bytes), tuple(map(zlib.crc32, file.units)), file.symbols).pack()
        head_bytes += SUMS.encode("ascii") + varint(len(sums)) + sums
    body = b"".join([head_bytes, *file.units])
    return body + struct.pack("<I", zlib.crc32(body))


def unpack(data: Data, max_pixels: int | None = None, salvage: bool = False) -> File:
    """Return the parts of a file.

    salvage: take a tiled file of which some tiles are damaged or missing, if what is before them is sound: its damaged
    units come back empty, which is no unit that any codec makes.

    DamagedFile: not a .nic file, cut, altered or inconsistent. UnsupportedFile: a newer version, or more pixels than
    `max_pixels` (by default `pixel_limit()`); nothing is allocated for the pixels before that is known. TypeError for
    what is no run of bytes, such as a path.
    """
    try:
        data = bytes(memoryview(data))
    except TypeError as error:
        raise TypeError(f"a .nic file is given as its bytes, not as {type(data).__name__} (a path: read it)") from error
    if not data:
        raise DamagedFile("the file is empty")
    if not data.startswith(MAGIC):
        raise DamagedFile("the file is cut short" if MAGIC.startswith(data) else "this is no .nic file")
    sound = len(data) >= 10 and zlib.crc32(data[:-4]) == struct.unpack("<I", data[-4:])[0]
    if not sound and (not salvage or len(data) < 10):
        raise DamagedFile("the file is cut or altered: its CRC does not match its content")
    version, flags = data[4], data[5]
    if version != VERSION:
        raise UnsupportedFile(
            f"the file has format version {version}, this nic reads version {VERSION}: upgrade nic-core"
        )
    if flags & ~KNOWN_FLAGS:
        raise UnsupportedFile("the file uses flags that this nic does not know: upgrade nic-core")
    read = Reader(data, 6, len(data) - 4 if sound else len(data))  # a cut file ends with whatever it has
    width, height = struct.unpack("<II", read.take(8)) if flags & LARGE else struct.unpack("<HH", read.take(4))
    limit = pixel_limit() if max_pixels is None else max_pixels
    if width * height > limit:
        raise UnsupportedFile(
            f"the file claims {width} x {height} pixels, more than the limit of {limit}; "
            "raise it with --max-pixels or NIC_MAX_PIXELS if you trust the file"
        )
    if not width or not height:
        raise DamagedFile("the file claims a side of zero pixels")
    codec = read.text()
    coder_number = read.take(1)[0]
    coder = CODERS.get(coder_number, "") if coder_number else read.text()
    if not coder:
        raise UnsupportedFile(
            f"the file uses entropy coder number {coder_number}, unknown to this nic: upgrade nic-core"
        )
    entropy_id, synthesis_id = read.take(4).hex(), read.take(4).hex()
    quality = struct.unpack("<H", read.take(2))[0] / 100 if flags & QUALITY else None
    if quality is not None and not 1 <= quality <= 100:
        raise DamagedFile(f"the file claims a quality of {quality:g}")
    checksum = struct.unpack("<H", read.take(2))[0]
    params = read.take(read.varint()) if flags & PARAMS else b""
    tiling, lengths = None, None
    if flags & UNITS:
        tiling, lengths = _read_units(read, width, height)
    chunks, sums = {}, None
    if flags & CHUNKS:
        for _ in range(read.varint()):
            place = read.at
            kind = read.take(4).decode("latin-1")
            if not _is_chunk_type(kind) or kind in chunks or (kind == SUMS and sums):
                raise DamagedFile(f"the file has a chunk of type {kind!r}, which is no type or comes twice")
            content = read.take(read.varint())
            if kind == SUMS and lengths is not None:
                sums = Sums.unpack(content, len(lengths))
                if sums.head != zlib.crc32(data[:place]):
                    raise DamagedFile("the file is damaged before its tiles: it does not match its checksum there")
            else:
                chunks[kind] = content
    rest = read.take(read.left)
    lengths = [len(rest)] if lengths is None else lengths
    if sound and sum(lengths) != len(rest):
        raise DamagedFile(f"the unit lengths add up to {sum(lengths)} bytes, the file holds {len(rest)}")
    units = tuple(rest[start:end] for start, end in pairwise(accumulate(lengths, initial=0)))
    if not sound:
        if sums is None:
            raise DamagedFile("the file is cut or altered, and has no tiles of which any could be salvaged")
        units = tuple(b"" if zlib.crc32(unit) != crc else unit for unit, crc in zip(units, sums.units, strict=True))
    if unknown := [kind for kind in chunks if kind[0].isupper()]:
        raise UnsupportedFile(f"the file needs the chunk {unknown[0]!r}, unknown to this nic: upgrade nic-core")
    header = Header(
        width,
        height,
        1 if flags & GRAY else 3,
        16 if flags & DEEP else 8,
        codec,
        coder,
        entropy_id,
        synthesis_id,
        quality,
        checksum,
        params,
        tiling,
    )
    return File(header, units, chunks, sums.symbols if sums else ())


def compress_chunk(data: bytes) -> bytes:
    """Deflate a chunk's data (zlib format); BadPicture for more than a reader would unpack."""
    if len(data) > LARGEST_CHUNK:
        raise BadPicture(f"the picture has {len(data)} bytes of metadata of one kind: leave it out with --strip")
    return zlib.compress(data, 9)


def expand_chunk(data: bytes) -> bytes:
    """Inflate a chunk's data; DamagedFile where it is no zlib stream or grows beyond `LARGEST_CHUNK`."""
    inflate = zlib.decompressobj()
    try:
        expanded = inflate.decompress(data, LARGEST_CHUNK)
    except zlib.error as error:
        raise DamagedFile(f"a metadata chunk cannot be unpacked: {error}") from error
    if not inflate.eof:
        raise DamagedFile("a metadata chunk is cut or too large")
    return expanded


def _is_chunk_type(kind: str) -> bool:
    return len(kind) == 4 and kind.isascii() and kind.isalpha()


def _read_units(read: Reader, width: int, height: int) -> tuple[Tiling, list[int]]:
    tiling = Tiling(read.varint(), read.varint(), read.varint())
    if not tiling.width or not tiling.height or not tiling.streams:
        raise DamagedFile("the file claims tiles of zero size")
    count = tiling.unit_count(width, height)
    if count > read.left:  # each length takes at least one byte
        raise DamagedFile(f"the file claims {count} units, more than it has bytes")
    return tiling, [read.varint() for _ in range(count)]


def _text(text: str) -> bytes:
    raw = text.encode("ascii")
    return bytes([len(raw)]) + raw
