"""Zip archives from strangers: what they hold, and single files of them, bounded and inside of where they belong."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nic_core.errors import BadWeights, CannotWrite
from nic_core.weights import fetch

OUTSIDE = re.compile(r"[/\\]|[a-zA-Z]:|(.*[/\\])?\.\.([/\\].*)?$")
"""Paths that lead out of an archive: absolute ones, and those that go up."""
ENCRYPTED = 1


def members(archive: Path) -> list[str]:
    """Return the paths of the files in a zip archive, with slashes; BadWeights where it is none, or one leads out."""
    with _opened(archive) as opened:
        names = [info.orig_filename for info in opened.infolist()]
        if outside := [name for name in names if OUTSIDE.match(name)]:
            raise BadWeights(f"{archive.name} is no sound archive: {outside[0][:80]!r} leads out of it")
        return [info.filename for info in opened.infolist() if not info.is_dir()]


def extract(archive: Path, member: str, target: Path) -> None:
    """Write one file of a zip archive to `target`; BadWeights where it is damaged, locked or too large, CannotWrite."""
    with _opened(archive) as opened:
        info = opened.getinfo(member)
        if info.flag_bits & ENCRYPTED:
            raise BadWeights(f"{archive.name} is locked by a password")
        if info.file_size > fetch.LARGEST:
            raise BadWeights(f"{member} has {info.file_size} bytes, more than {fetch.LARGEST}")
        try:
            bar = fetch.transfer_bar(f"unpacking {target.name}")
            with bar as tell, opened.open(info) as source, target.open("wb") as out:
                while piece := source.read(fetch.PIECE):  # never more than the size that the archive states
                    out.write(piece)
                    tell(out.tell(), info.file_size)
        except OSError as error:
            raise CannotWrite(f"cannot write {target}: {error.strerror or error}") from error


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise BadWeights(f"{archive.name} is no zip archive, or a damaged one: {error}") from error
