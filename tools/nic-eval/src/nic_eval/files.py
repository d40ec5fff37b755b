"""Finding files and telling them apart."""

import hashlib
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import TypeVar

from nic_core.errors import NicError
from nic_core.host.tables import Names, read_names
from nic_core.pictures import image_files

AnyPath = TypeVar("AnyPath", bound=PurePath)
ORIGINALS = "originals"
"""Where pictures are brought that lie in shards or at URLs, in a report's folder."""


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; NicError where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise NicError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()


def file_below(folder: Path, name: str) -> Path:
    """Return the path of a file that a report names, links followed; NicError where it is not below the folder.

    A report may come from anyone: what it names must not reach other files of the reader's.
    """
    try:
        path = (folder / name).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a zero byte in the name, a circle of links
        raise NicError(f"the report in {folder} names {name!r}, which is no file") from error
    if not path.is_relative_to(folder.resolve()):
        raise NicError(f"the report in {folder} names {name!r}, which lies outside its folder")
    return path


def find_pictures(folder: Path, report: Path | None = None) -> list[Path]:
    """Return the picture files below a folder by name, without those of a report; NicError where there are none."""
    if not folder.is_dir():
        raise NicError(f"{folder} is no folder")
    suffixes = image_files.READABLE_SUFFIXES
    made = {(report / name).resolve() for name in ("files", "pictures", "plots", ORIGINALS)} if report else set()
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and path.is_file() and not made & set(path.resolve().parents)
    )
    if not found:
        raise NicError(f"no {' '.join(sorted(suffixes))} files below {folder}")
    return found


def listed(pictures: Iterable[AnyPath], files: Path | None, place: PurePath) -> list[AnyPath]:
    """Return the pictures that a list names, all where there is none; NicError where it names none of them.

    files: see `nic_core.host.tables.read_names`. place: where the pictures are.
    """
    if files is None:
        return list(pictures)
    names = Names(read_names(files))
    found = [path for path in pictures if path in names]
    if not found:
        raise NicError(f"{files} names no picture below {place}")
    return found
