"""What a PNG file consists of: a signature, the header, and chunks under checksums."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from nic_core.errors import BadPicture
from nic_core.pictures.content import Content, pieces

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
SAMPLES = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}
_DEPTHS = {GRAY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GRAY_ALPHA: (8, 16), RGB_ALPHA: (8, 16)}
_HEADER_END = len(SIGNATURE) + 25  # after the chunk IHDR
_USED = {b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"iTXt", b"tEXt", b"zTXt", b"pHYs", b"acTL"}

# First column and row, and steps between columns and rows, of the seven pictures that an interlaced file consists of.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True)
class Header:
    """What the chunk IHDR states: pixels, bits a sample, PNG's number of the colour type, and whether interlaced."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @property
    def is_gray(self) -> bool:
        """Whether the file has one channel, which is not an index into a palette, and no alpha."""
        return self.colour == GRAY

    @property
    def step(self) -> int:
        """Bytes from one pixel to the next, at least 1."""
        return max(1, SAMPLES[self.colour] * self.depth // 8)

    @property
    def size(self) -> int:
        """Bytes of all rows and their filters."""
        return sum(height * self.stride(width) for *_, width, height in self.passes())

    def stride(self, width: int) -> int:
        """Return the bytes of a row of so many pixels: its filter and its samples."""
        return 1 + (width * SAMPLES[self.colour] * self.depth + 7) // 8

    def passes(self) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Yield the pictures that the file consists of: first column and row, their steps, width and height.

        It is one where not interlaced. Those without pixels are left out; they take no bytes.
        """
        for column, row, across, down in _PASSES if self.interlaced else ((0, 0, 1, 1),):
            width, height = -(-(self.width - column) // across), -(-(self.height - row) // down)
            if width > 0 and height > 0:
                yield column, row, across, down, width, height


@dataclass(frozen=True)
class Chunks:
    """The chunks after the header. others: (kind, content), empty for those that nothing here reads.

    data: where the content of the chunks IDAT begins and ends.
    """

    others: list[tuple[bytes, bytes]]
    data: list[tuple[int, int]]

    def packed(self, content: Content) -> Iterator[bytes]:
        """Yield the zlib stream of the pixels, some at a time."""
        for start, end in self.data:
            yield from pieces(content, start, end)


def header(content: Content) -> Header:
    """Return what the header of a PNG file states; BadPicture where the file does not begin with a valid one."""
    data = content[:_HEADER_END]
    if len(data) < _HEADER_END:
        raise BadPicture("the file is cut short")
    length, kind, width, height, depth, colour, method, filters, interlace, crc = struct.unpack_from(
        ">I4sIIBBBBBI", data, len(SIGNATURE)
    )
    if not data.startswith(SIGNATURE) or kind != b"IHDR" or length != 13:
        raise BadPicture("the file is damaged: it does not begin with its header")
    if crc != zlib.crc32(data[12 : _HEADER_END - 4]):
        raise BadPicture("the file is damaged: its header does not match its checksum")
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
        raise BadPicture(f"the file is damaged: a size of {width} x {height}")
    if depth not in _DEPTHS.get(colour, ()) or method or filters or interlace > 1:
        raise BadPicture("the file is damaged: its header states no kind of PNG that there is")
    return Header(width, height, depth, colour, interlace == 1)


def read(content: Content) -> Chunks:
    """Return the chunks between the header and the end, all of which are compared with their checksums.

    Those that a reader may skip are left out where they are damaged; BadPicture for others.
    """
    chunks = Chunks([], [])
    position, kind = _HEADER_END, b""
    while kind != b"IEND":
        if position + 12 > len(content):
            raise BadPicture("the file is cut short")
        length, kind = struct.unpack(">I4s", content[position : position + 8])
        start, end = position + 8, position + 8 + length
        if end + 4 > len(content):
            raise BadPicture("the file is cut short")
        crc, kept = zlib.crc32(kind), []
        for piece in pieces(content, start, end):
            crc = zlib.crc32(piece, crc)
            if kind in _USED:
                kept.append(piece)
        sound = crc == int.from_bytes(content[end : end + 4], "big")
        if not sound and (not kind.isalpha() or kind[:1].isupper()):
            raise BadPicture(f"the file is damaged: its chunk {name(kind)} does not match its checksum")
        if kind == b"IDAT":
            chunks.data.append((start, end))
        elif sound:
            chunks.others.append((kind, b"".join(kept)))
        position = end + 4
    return chunks


def palette(head: Header, chunks: Chunks) -> tuple[bytes, bytes]:
    """Return the chunks PLTE and tRNS, empty where they decide no pixels or are unsound; BadPicture for a bad palette.

    What is no chunk that is known, and must not be skipped, is BadPicture too.
    """
    found: dict[bytes, bytes] = {}
    for kind, body in chunks.others:
        if kind == b"IHDR" or (kind == b"PLTE" and kind in found):
            raise BadPicture(f"the file is damaged: it has two chunks {name(kind)}")
        if kind not in (b"PLTE", b"IEND") and (kind[:1].isupper() or not kind.isalpha()):
            raise BadPicture(f"the file has a chunk {name(kind)}, which is not known and must not be skipped")
        if kind in (b"PLTE", b"tRNS"):
            found.setdefault(kind, body)
    colours, transparent = found.get(b"PLTE", b""), found.get(b"tRNS", b"")
    if head.colour != PALETTE:
        return b"", transparent if len(transparent) == {GRAY: 2, RGB: 6}.get(head.colour) else b""
    if not colours or len(colours) % 3 or len(colours) > 3 << head.depth:
        raise BadPicture("the file is damaged: it has no valid palette")
    return colours, transparent if len(transparent) <= len(colours) // 3 else b""


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk as it is written."""
    return b"".join((struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))))


def name(kind: bytes) -> str:
    """Return how to call a kind of chunk, whatever its bytes."""
    return kind.decode("ascii") if kind.isalpha() else kind.hex()
