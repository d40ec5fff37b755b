"""Folders of pictures: finding them, reading their sizes and pixels, and telling two sets apart."""

import hashlib
import logging
import os
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from nic_core.cores import cores
from nic_core.errors import NicError
from nic_core.host.tables import Names, read_names
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from PIL import Image
from rich.console import Console
from rich.progress import track

NAMED = 20
"""How many files a warning names; the others are only counted."""

Extent = int | tuple[int, int]
"""Pixels of a square's side, or height and width."""

_BLOCK = 4096  # items handed to the threads at once: each waits as an object of its own
logger = logging.getLogger("nic.train")
Item = TypeVar("Item")
Result = TypeVar("Result")


def find_pictures(folder: Path) -> list[Path]:
    """Return all picture files below a folder, sorted; NicError where there are none."""
    if not os.path.isdir(folder):  # unlike Path's, it says no to names that are too long
        raise NicError(f"{folder} is not a folder")
    files = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    found = sorted(path for path in files if path.suffix.lower() in image_files.READABLE_SUFFIXES)
    if not found:
        raise NicError(f"no pictures below {folder} (looked for {' '.join(sorted(image_files.READABLE_SUFFIXES))})")
    return found


@dataclass(frozen=True)
class DataRecord:
    """What a run remembers of its data, to notice when it goes on with other data. Round-trips through JSON.

    pictures: how many, None where that is not known. files: how many pictures or shards. names, contents, annotations:
    fingerprints of the files' names, of their lengths, and of captions and label maps ("" where none are used).
    """

    pictures: int | None
    files: int
    names: str
    contents: str
    annotations: str = ""

    def difference(self, now: "DataRecord") -> str | None:
        """Say in one phrase how the data differ now, None where they do not."""
        if self.files != now.files:
            return f"{self.files} files then, {now.files} now"
        if self.names != now.names:
            return "as many files, but with other names"
        if self.contents != now.contents:
            return "the same file names, but with other contents"
        if self.annotations != now.annotations:
            return "the same files, but other captions or label maps"
        return None


@dataclass(frozen=True)
class Pictures:
    """Pictures below a folder, known by their headers.

    root: the folder. names: their paths below it, with "/" between the parts; sorted. sizes: (width, height) of each,
    in pixels. lengths: bytes of each file.
    """

    root: Path
    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.names)

    def chosen(self, indices: Sequence[int]) -> "Pictures":
        """Return some of the pictures."""
        return Pictures(
            self.root,
            tuple(self.names[index] for index in indices),
            tuple(self.sizes[index] for index in indices),
            tuple(self.lengths[index] for index in indices),
        )

    def record(self) -> DataRecord:
        """Return what tells this set from others; the folder itself may move."""
        return DataRecord(len(self), len(self), fingerprint(self.names), fingerprint(map(str, self.lengths)))


def height_and_width(extent: Extent) -> tuple[int, int]:
    """Return both sides."""
    return (extent, extent) if isinstance(extent, int) else extent


def holds(size: tuple[int, int], extent: Extent) -> bool:
    """Tell whether a picture of (width, height) is at least so large."""
    height, width = height_and_width(extent)
    return size[0] >= width and size[1] >= height


def in_words(extent: Extent) -> str:
    """Return how large a picture must be."""
    if isinstance(extent, int):
        return f"{extent} pixels"
    return f"{extent[0]}x{extent[1]} pixels (height and width)"


def scan(
    folder: Path, smallest: Extent, *, without: Path | None = None, files: Path | None = None, quiet: bool = False
) -> Pictures:
    """Read the headers of all pictures below a folder; warn once of those that are left out.

    smallest: a side, or the height and width, that a picture must have. without: a folder below the first that holds
    none of the pictures, such as that of the label maps. files: a list of the pictures to take (see
    `nic_core.host.tables.read_names`), None for all. quiet: no warning and no progress bar, for all but the first of
    several processes.

    EXIF orientation is not applied: sizes and pixels are those that are stored, which is what a codec codes.
    NicError where no picture is left.
    """
    paths = find_pictures(folder)
    if without is not None:
        paths = [path for path in paths if without.resolve() not in path.resolve().parents]
    if files is not None:
        paths = _listed(folder, paths, files, quiet)
    kept, refused = [], []
    headers = in_threads(_header, paths, f"reading the headers of {len(paths)} pictures", quiet)
    for path, header in zip(paths, headers, strict=True):
        name = path.relative_to(folder).as_posix()
        if header is None or not holds(header[0], smallest):
            refused.append(name)
        else:
            kept.append((name, *header))
    if not quiet:
        warn_of(refused, f"of {len(paths)} pictures left out, unreadable or below {in_words(smallest)}")
    if not kept:
        least = f"{in_words(smallest)}{' on its short side' if isinstance(smallest, int) else ''}"
        raise NicError(f"none of {len(paths)} pictures below {folder} is readable and at least {least}")
    names, sizes, lengths = zip(*kept, strict=True)
    return Pictures(folder, names, sizes, lengths)


def read_rgb(path: Path) -> np.ndarray:
    """Return a file's pixels as a codec is given them, 8 bits, without alpha: (H, W, 3) uint8; BadPicture if broken."""
    return _to_rgb(image_files.read(path))


def decode_rgb(data: bytes, name: str) -> np.ndarray:
    """Return a file's pixels from its bytes as `read_rgb` does; `name` is what errors call it."""
    return _to_rgb(image_files.read_bytes(data, name))


def read_size(path: Path) -> tuple[int, int]:
    """Return (width, height) as stored, from the header where that is possible; BadPicture if broken."""
    try:
        with Image.open(path) as image:
            return image.size
    except Exception:  # what Pillow raises on damaged headers has no common base
        # Pillow knows no 16-bit RGB TIFF, not even its size. What is broken fails here again.
        picture = image_files.read(path)
        return picture.width, picture.height


class Broken:
    """Which files turned out to be broken while training: the first are named, once over all processes that load.

    The set is this process's own. What has been warned of is shared with the processes that it starts, as flags at
    the names' checksums: two names may share one, and then the second goes without a warning.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._warned = torch.zeros(1 << 16, dtype=torch.uint8).share_memory_()

    def __contains__(self, name: str) -> bool:
        """Tell whether a file is known to be broken."""
        return name in self._names

    def count(self) -> int:
        """Return how many there are so far, over all processes that load."""
        # Not torch's sum: its threads do not live on in a process that was forked, which would wait for them forever.
        return int(np.count_nonzero(self._warned.numpy()))

    def add(self, name: str, message: str) -> None:
        """Remember a file, and warn of it with this message."""
        self._names.add(name)
        flag = zlib.crc32(name.encode()) % len(self._warned)
        if not self._warned[flag]:
            self._warned[flag] = 1
            if self.count() <= NAMED:
                logger.warning(message)
            elif self.count() == NAMED + 1:
                logger.warning("more than %d files are broken; the others are not named", NAMED)


def in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], description: str, quiet: bool = False
) -> Iterator[Result]:
    """Yield a function's results in order, computed in threads, with a progress bar on stderr."""
    with warnings.catch_warnings(), ThreadPoolExecutor(cores()) as pool:
        warnings.simplefilter("ignore")  # on odd metadata; here, as the threads would disturb one another's filters
        blocks = (items[start : start + _BLOCK] for start in range(0, len(items), _BLOCK))
        results = (result for block in blocks for result in pool.map(function, block))
        console = Console(stderr=True)
        hidden = quiet or not console.is_terminal
        yield from track(results, description, len(items), console=console, transient=True, disable=hidden)


def reading(path: Path, quiet: bool) -> AbstractContextManager:
    """Show that a file is being read: half a minute for the largest of COCO's."""
    return Console(stderr=True, quiet=quiet).status(f"reading {path.name}")


def warn_of(names: Sequence[str], what: str) -> None:
    """Log how many files, what about them, and the first names; nothing where there are none."""
    if names:
        others = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        logger.warning("%d %s: %s%s", len(names), what, ", ".join(names[:NAMED]), others)


def fingerprint(parts: Iterable[str]) -> str:
    """Return the first 16 digits of the SHA-256 of some texts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()[:16]


def _listed(folder: Path, paths: list[Path], files: Path, quiet: bool) -> list[Path]:
    """Return the paths that a list of files names; warn of names that are none, NicError where all are none."""
    listed = read_names(files)
    names = Names(listed)
    found = [path for path in paths if path in names]
    if not found:
        raise NicError(f"{files} names none of the {len(paths)} pictures below {folder}")
    if (lost := len(set(listed)) - len(found)) > 0 and not quiet:
        logger.warning("%d names in %s are no pictures below %s", lost, files, folder)
    return found


def _header(path: Path) -> tuple[tuple[int, int], int] | None:
    try:
        return read_size(path), path.stat().st_size
    except (NicError, OSError):
        return None


def _to_rgb(picture: Picture) -> np.ndarray:
    pixels = picture.to_8_bit().pixels
    return pixels if picture.channels == 3 else np.repeat(pixels, 3, axis=2)
