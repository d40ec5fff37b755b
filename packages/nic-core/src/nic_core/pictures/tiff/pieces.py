"""Rows of a TIFF file's picture as small TIFF files, so that what reads whole files reads them too, and alike.

Each strip, and each tile, is compressed for itself. So some rows of them with the tags of their page, but another
height, are a file.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nic_core.pictures import metadata
from nic_core.pictures.strips import BAND
from nic_core.pictures.tiff.directory import Form
from nic_core.pictures.tiff.layout import (
    DEFLATE,
    DEFLATE_OLD,
    FAX,
    JPEG,
    LZMA,
    LZW,
    NONE,
    PACKBITS,
    YCBCR,
    ZSTD,
    Layout,
    Page,
)

_COMPRESSIONS = {NONE, *FAX, LZW, JPEG, DEFLATE, PACKBITS, DEFLATE_OLD, LZMA, ZSTD}
_KEPT = (
    *(256, 258, 259, 262, 266, 277, 284),  # width, depth, compression, colours, order of bits, samples, planes
    *(292, 293, 317, 320, 322, 323),  # fax, predictor, palette, size of tiles
    *(338, 339, 340, 341, 347, 529, 530, 531, 532),  # meaning of samples, JPEG's tables, YCbCr
)
_HEIGHT, _ROWS_OF_STRIP = 257, 278
_STRIPS, _TILES = (273, 279), (324, 325)
_LONG = 4  # the type of 32-bit numbers
_LONGEST_TAG = 1 << 20  # bytes, which are in each piece
_FEWEST = 4  # pieces, about, that are better than the whole


@dataclass(frozen=True)
class Piece:
    """Some rows. chunk: rows of its strips or tiles. places: where each begins in the file, and how many bytes."""

    height: int
    chunk: int
    places: tuple[tuple[int, int], ...]

    @property
    def length(self) -> int:
        """Bytes in the file."""
        return sum(count for _, count in self.places)


def pieces(page: Page) -> list[Piece]:
    """Return the pieces of a page from top to bottom; none where they would be large, or not what the page is."""
    tags, layout = page.tags, page.layout
    if (
        (layout.planar and layout.samples > 1)
        or layout.compression not in _COMPRESSIONS
        or (layout.photometric == YCBCR and layout.compression != JPEG)  # samples of several rows are mixed
        or [tag in tags for tag in (*_STRIPS, *_TILES)] != [not layout.tiled] * 2 + [layout.tiled] * 2
        or tags.number(metadata.ORIENTATION, 1) != 1  # Pillow turns the whole upright
        or any(tags.length(tag) > _LONGEST_TAG for tag in _KEPT if tag in tags)
    ):
        return []
    found = list(_grouped(_rows_of_chunks(layout), layout))
    largest = max(piece.height for piece in found)
    if largest * _FEWEST > layout.height or max(piece.length for piece in found) > len(page.content):
        return []
    return found


def file_of(page: Page, piece: Piece) -> bytes:
    """Return a piece as a TIFF file in the byte order of the whole one."""
    content, tags, layout = page.content, page.tags, page.layout
    form = tags.file.form
    entries = {tag: (*tags.places[tag][:2], tags.stored(tag)) for tag in _KEPT if tag in tags}
    entries[_HEIGHT] = _LONG, 1, form.pack("I", piece.height)
    if not layout.tiled:
        entries[_ROWS_OF_STRIP] = _LONG, 1, form.pack("I", piece.chunk)
    offsets, counts = _TILES if layout.tiled else _STRIPS
    chunks = [content[start : start + count] for start, count in piece.places]
    entries[counts] = _LONG, len(chunks), form.pack(f"{len(chunks)}I", *map(len, chunks))
    entries[offsets] = _LONG, len(chunks), bytes(4 * len(chunks))  # for its length, which decides where they are
    at, places = len(_head(form, entries)), []
    for chunk in chunks:
        places.append(at)
        at += len(chunk)
    entries[offsets] = _LONG, len(chunks), form.pack(f"{len(chunks)}I", *places)
    return b"".join([_head(form, entries), *chunks])


def _rows_of_chunks(layout: Layout) -> Iterator[Piece]:
    """Yield each row of tiles and each strip, or parts of strips where those are not compressed."""
    height, across = layout.chunk[1], -(-layout.width // layout.chunk[0])
    for first, at in zip(range(0, layout.height, height), range(0, len(layout.offsets), across), strict=False):
        rows = min(height, layout.height - first)
        offsets = layout.offsets[at : at + across]
        if layout.compression != NONE:
            yield Piece(rows, height, tuple(zip(offsets, layout.counts[at : at + across], strict=True)))
        elif layout.tiled:  # of plain bytes Pillow goes by the size, whatever count is stated
            yield Piece(rows, height, tuple((start, height * layout.stride) for start in offsets))
        else:
            band = min(_band(layout), height)
            for top in range(0, rows, band):
                part = min(band, rows - top)
                yield Piece(part, part, ((offsets[0] + top * layout.stride, part * layout.stride),))


def _grouped(parts: Iterator[Piece], layout: Layout) -> Iterator[Piece]:
    """Yield pieces of as many rows as suit, where the parts have fewer."""
    group: list[Piece] = []
    rows = 0
    for part in parts:
        rows += part.height
        if group and (rows > _band(layout) or not group[-1].height == group[0].chunk == part.chunk):
            yield _joined(group)
            group, rows = [], part.height
        group.append(part)
    yield _joined(group)


def _joined(group: list[Piece]) -> Piece:
    places = tuple(place for piece in group for place in piece.places)
    return Piece(sum(piece.height for piece in group), group[0].chunk, places)


def _band(layout: Layout) -> int:
    """Return how many rows to work on at a time."""
    return max(1, BAND // (layout.width * layout.samples))


def _head(form: Form, entries: dict[int, tuple[int, int, bytes]]) -> bytes:
    """Return what a file has before its pixels. entries: (type, how many values, values as they are stored) by tag."""
    start = form.pack("HHHQ", 43, 8, 0, 16) if form.big else form.pack("HI", 42, 8)
    directory = form.pack(form.count, len(entries))
    at = 2 + len(start) + len(directory) + form.entry * len(entries) + form.room
    values = b""
    for tag, (kind, count, stored) in sorted(entries.items()):
        room = stored.ljust(form.room, b"\0")
        if len(stored) > form.room:
            room = form.pack(form.place, at + len(values))
            values += stored + bytes(len(stored) % 2)
        directory += form.pack("HH" + form.place, tag, kind, count) + room
    return (b"II" if form.order == "<" else b"MM") + start + directory + bytes(form.room) + values
