"""How the first page of a TIFF file is stored, as far as it decides what its reader allocates.

Read here, since Pillow and tifffile allocate before they check, and each lets pass what the other does not.
"""

import math
import struct
from dataclasses import dataclass

from nic_core.errors import BadPicture
from nic_core.pictures.bounds import CheckSize

MIN_IS_WHITE, MIN_IS_BLACK, RGB, YCBCR = 0, 1, 2, 6
NONE, LZW, JPEG_OLD, DEFLATE, PACKBITS, DEFLATE_OLD, LZMA, ZSTD = 1, 5, 6, 8, 32773, 32946, 34925, 50000
_FAX = (2, 3, 4)

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_SAMPLES, _ROWS_OF_STRIP, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT = 277, 278, 284, 317, 322, 323
_EXTRA, _FORMAT, _DEPTH, _TILE_DEPTH = 338, 339, 32997, 32998
_OFFSETS, _COUNTS = (324, 273, 513), (325, 279, 514)  # of tiles, of strips, of old JPEG

_SIZES = {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _ROWS_OF_STRIP, _PLANAR} | {
    *(_TILE_WIDTH, _TILE_HEIGHT, _FORMAT, _DEPTH, _TILE_DEPTH)
}
_MOST_GROWTH = {NONE: 1, LZW: 4096, DEFLATE: 1040, PACKBITS: 64, DEFLATE_OLD: 1040}
"""What one byte can become; of other compressions, anything."""
_MOST_SAMPLES = 16
_MOST_TAGS = 4096
_MOST_PAGES = 1 << 16  # that are counted
_LARGEST_SMALL_TILE = 1 << 24  # pixels of a tile that may be larger than the picture
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # types of tags that are whole numbers


@dataclass(frozen=True)
class Layout:
    """What the tags state; bits: of each sample. extra: what each sample beyond the colours means."""

    width: int
    height: int
    bits: int
    samples: int
    photometric: int
    compression: int
    planar: bool
    unsigned: bool
    reversed_bits: bool
    predictor: int
    extra: tuple[int, ...]


def read(data: bytes, check_size: CheckSize) -> Layout:
    """Return how the first page is stored; BadPicture where it claims more than it can have."""
    tags = _Directories(data).tags()
    compression, samples = tags.number(_COMPRESSION, NONE), tags.number(_SAMPLES, 1)
    layout = Layout(
        tags.number(_WIDTH, 0),
        tags.number(_HEIGHT, 0),
        tags.number(_BITS, 1),
        samples,
        YCBCR if compression == JPEG_OLD else tags.number(_PHOTOMETRIC, MIN_IS_WHITE),
        compression,
        tags.number(_PLANAR, 1) == 2,
        set(tags.numbers(_FORMAT, samples) or (1,)) == {1},
        tags.number(_FILL_ORDER, 1) == 2,
        tags.number(_PREDICTOR, 1),
        tags.numbers(_EXTRA, _MOST_SAMPLES),
    )
    if not layout.width or not layout.height:
        raise BadPicture("the file is damaged: it states no size")
    check_size(layout.width, layout.height)
    if tags.repeated & _SIZES:
        raise BadPicture("the file is damaged: it states the same thing twice")  # and readers differ on which counts
    if tags.number(_DEPTH, 1) != 1 or tags.number(_TILE_DEPTH, 1) != 1:
        raise BadPicture("it is a volume, not a picture")
    if samples > _MOST_SAMPLES:
        raise BadPicture(f"it has {samples} samples a pixel, and more than {_MOST_SAMPLES} are not read")
    if len(set(tags.numbers(_BITS, samples))) > 1:
        raise BadPicture("its samples have different depths")
    _check_chunks(tags, layout, len(data))
    return layout


def _check_chunks(tags: "_Tags", layout: Layout, length: int) -> None:
    """Raise BadPicture where the strips or tiles lie outside the file, are too few or can hold too little."""
    pixels = layout.width * layout.height
    if _TILE_WIDTH in tags:
        chunk = tags.number(_TILE_WIDTH, 0), tags.number(_TILE_HEIGHT, 0)
        if math.prod(chunk) > max(_LARGEST_SMALL_TILE, 4 * pixels):
            raise BadPicture("the file is damaged: its tiles are far larger than the picture")
    else:
        chunk = layout.width, min(tags.number(_ROWS_OF_STRIP, layout.height), layout.height)
    if not min(chunk):
        raise BadPicture("the file is damaged: its strips or tiles have no size")
    wanted = -(-layout.width // chunk[0]) * -(-layout.height // chunk[1]) * (layout.samples if layout.planar else 1)
    offsets = next((tags.numbers(tag, wanted) for tag in _OFFSETS if tag in tags), ())
    counts = next((tags.numbers(tag, wanted) for tag in _COUNTS if tag in tags), ())
    size = pixels * layout.samples * layout.bits // 8
    if not any(counts) and len(offsets) == 1 and layout.compression in (NONE, *_FAX):  # some programs state none
        counts = (size if layout.compression == NONE else length - offsets[0],)
    if (
        not len(offsets) == len(counts) == wanted
        or min(counts) < 1
        or max(map(sum, zip(offsets, counts, strict=True))) > length
        or (layout.photometric != YCBCR and size > _MOST_GROWTH.get(layout.compression, length) * sum(counts))
    ):
        raise BadPicture("the file is cut short")


def pages(data: bytes) -> int:
    """Return how many pages a file has, as far as they can be found."""
    directories, seen = _Directories(data), set[int]()
    position = directories.first
    try:
        while position and position not in seen and len(seen) < _MOST_PAGES:
            following = directories.following(position)
            seen.add(position)
            position = following
    except BadPicture:  # what is damaged is the end
        pass
    return len(seen)


class _Directories:
    """Directories of tags, one a page, in the byte order and the size of offsets that the file's head states."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = "<" if data[:2] == b"II" else ">"
        big = data[2:4] in (b"+\0", b"\0+")
        self._offset, self._count = ("Q", "Q") if big else ("I", "H")
        self._room = 8 if big else 4  # of an entry, for its values or where they are
        (self.first,) = self.take(self._offset, 8 if big else 4)

    def take(self, form: str, at: int) -> tuple[int, ...]:
        """Return whole numbers from a place in the file; BadPicture where they are beyond its end."""
        if at + struct.calcsize(self._order + form) > len(self._data):
            raise BadPicture("the file is cut short")
        return struct.unpack_from(self._order + form, self._data, at)

    def _entries(self, position: int) -> range:
        """Return where a directory's entries are."""
        (count,) = self.take(self._count, position)
        if not 0 < count <= _MOST_TAGS:
            raise BadPicture(f"the file is damaged: it has a directory of {count} tags")
        start, length = position + struct.calcsize(self._order + self._count), 4 + 2 * self._room
        return range(start, start + count * length, length)

    def following(self, position: int) -> int:
        """Return where the directory after one is, 0 for nowhere."""
        return self.take(self._offset, self._entries(position).stop)[0]

    def tags(self) -> "_Tags":
        """Return the tags of the first page."""
        places: dict[int, tuple[int, int, int]] = {}
        repeated = set()
        for at in self._entries(self.first):
            tag, kind, count = self.take("HH" + self._offset, at)
            value = at + 4 + self._room
            if struct.calcsize("=" + _NUMBERS.get(kind, "Q")) * count > self._room:
                (value,) = self.take(self._offset, value)
            if tag in places:
                repeated.add(tag)
            places.setdefault(tag, (kind, count, value))
        return _Tags(self, places, repeated)


@dataclass(frozen=True)
class _Tags:
    """A page's tags. places: (type, how many values, where they are) by tag. repeated: those that are there twice."""

    file: _Directories
    places: dict[int, tuple[int, int, int]]
    repeated: set[int]

    def __contains__(self, tag: int) -> bool:
        return tag in self.places

    def numbers(self, tag: int, most: int) -> tuple[int, ...]:
        """Return the first values of a tag, empty where it is not there; BadPicture where they are no whole numbers."""
        if tag not in self.places:
            return ()
        kind, count, at = self.places[tag]
        if kind not in _NUMBERS or not count:
            raise BadPicture(f"the file is damaged: its tag {tag} has no value of its type")
        return self.file.take(f"{min(count, most)}{_NUMBERS[kind]}", at)

    def number(self, tag: int, default: int) -> int:
        """Return the one value of a tag, or the first."""
        return (self.numbers(tag, 1) or (default,))[0]
