"""The pictures to measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nic_core.errors import NicError
from rich.console import Console

from nic_eval.contestants.contestant import read_original
from nic_eval.files import file_hash
from nic_eval.measuring.cache import Cache
from nic_eval.measuring.request import Log
from nic_eval.names import printable
from nic_eval.terminal import progress


@dataclass(frozen=True)
class Source:
    """A picture to measure. name: its path below the folder. hash: SHA-256 of the file."""

    name: str
    path: Path
    hash: str
    width: int
    height: int


def survey(folder: Path, paths: Sequence[Path], cache: Cache, log: Log, console: Console) -> list[Source]:
    """Return the pictures that can be read, and log the others; NicError where none can be.

    A file that the cache does not know is decoded whole: one that is cut short shows before any coding.
    """
    sources = []
    with progress(console, "reading pictures", len(paths)) as advance:
        for path in paths:
            name = printable(path.relative_to(folder).as_posix())
            try:
                digest = file_hash(path)
                size = cache.get(digest)
                if not all(isinstance(size.get(side), int) for side in ("width", "height")):
                    picture = read_original(path)
                    size = {"width": picture.width, "height": picture.height}
                    cache.put(digest, size)
                sources.append(Source(name, path, digest, size["width"], size["height"]))
            except NicError as error:
                log.fail("skipped", error)
            advance(name)
    if not sources:
        raise NicError(f"no picture below {folder} can be read: {log.failures[0]}")
    return sources
