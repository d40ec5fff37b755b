"""How the first page of a TIFF file is stored, as far as it decides what its reader allocates.

Read here, since Pillow and tifffile allocate before they check, and each lets pass what the other does not.
"""

import math
from dataclasses import dataclass, replace

from nic_core.errors import BadPicture
from nic_core.pictures.bounds import CheckSize
from nic_core.pictures.content import Content
from nic_core.pictures.tiff.directory import Directories, Tags

MIN_IS_WHITE, MIN_IS_BLACK, RGB, YCBCR = 0, 1, 2, 6
NONE, LZW, JPEG_OLD, JPEG, DEFLATE, PACKBITS, DEFLATE_OLD, LZMA, ZSTD = 1, 5, 6, 7, 8, 32773, 32946, 34925, 50000
FAX = (2, 3, 4)

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
_MOST_PAGES = 1 << 16  # that are counted
_LARGEST_SMALL_TILE = 1 << 24  # pixels of a tile that may be larger than the picture


@dataclass(frozen=True)
class Layout:
    """What the tags state; bits: of each sample. extra: what each sample beyond the colours means.

    chunk: width and height of the strips or tiles. offsets, counts: where they are, and how many bytes of the file.
    """

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
    tiled: bool
    chunk: tuple[int, int] = (0, 0)
    offsets: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def stride(self) -> int:
        """Bytes of a row of a chunk, unpacked."""
        return (self.chunk[0] * self.samples * self.bits + 7) // 8


@dataclass(frozen=True)
class Page:
    """The first page of a file: the file's content, the page's tags, and how its pixels are stored."""

    content: Content
    tags: Tags
    layout: Layout


def read(content: Content, check_size: CheckSize) -> Page:
    """Return the first page; BadPicture where it claims more than it can have."""
    tags = Directories(content).tags()
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
        _TILE_WIDTH in tags,
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
    return Page(content, tags, _with_chunks(tags, layout, len(content)))


def _with_chunks(tags: Tags, layout: Layout, length: int) -> Layout:
    """Add the strips or tiles; BadPicture where they lie outside the file, are too few or can hold too little."""
    pixels = layout.width * layout.height
    if layout.tiled:
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
    if not any(counts) and len(offsets) == 1 and layout.compression in (NONE, *FAX):  # some programs state none
        counts = (size if layout.compression == NONE else length - offsets[0],)
    if (
        not len(offsets) == len(counts) == wanted
        or min(counts) < 1
        or max(map(sum, zip(offsets, counts, strict=True))) > length
        or (layout.photometric != YCBCR and size > _MOST_GROWTH.get(layout.compression, length) * sum(counts))
    ):
        raise BadPicture("the file is cut short")
    return replace(layout, chunk=chunk, offsets=offsets, counts=counts)


def pages(content: Content) -> int:
    """Return how many pages a file has, as far as they can be found."""
    directories, seen = Directories(content), set[int]()
    position = directories.first
    try:
        while position and position not in seen and len(seen) < _MOST_PAGES:
            following = directories.following(position)
            seen.add(position)
            position = following
    except BadPicture:  # what is damaged is the end
        pass
    return len(seen)
