"""Files wherever they lie: on this machine, or at a URL such as s3://bucket/photo.png, by fsspec.

A place is a path, or text, or a `Url`. Everything here takes any of them, and imports fsspec for a URL only. What goes
wrong comes as OSError, whatever a file system of fsspec's raises; what is not installed, as NicError.
"""

import errno
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote

from nic_core.errors import NicError

Place = str | os.PathLike[str]

_URL = re.compile(r"[a-z][a-z0-9+.-]+(://|::[a-z])", re.IGNORECASE)  # a drive of Windows has a single letter
_FILE = re.compile(r"file://(localhost)?(?=/)", re.IGNORECASE)
_WHOLE = frozenset({"memory", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "r2", "hf"})
"""Stores of objects: there one is replaced at once when all of it has come, and folders need not be made."""


class Url(PurePosixPath):
    """A file or a folder at a URL, with the names and the arithmetic of a path."""

    def __str__(self) -> str:
        """Return the URL."""
        scheme, mark, rest = super().__str__().partition(":/")  # which takes two slashes for one
        return f"{scheme}://{rest}" if mark else scheme


def is_url(place: Place) -> bool:
    """Return whether a place is a URL that fsspec is asked for; file:///folder is a path of this machine."""
    return isinstance(place, Url) or (isinstance(place, str) and bool(_URL.match(place)) and not _FILE.match(place))


def place_of(text: str) -> PurePath:
    """Return a path, or the `Url` that a text is."""
    return Url(text) if is_url(text) else Path(local(text))


def local(place: Place) -> Place:
    """Return the path that file:///folder means; others are as they were."""
    return unquote(_FILE.sub("", place)) if isinstance(place, str) and _FILE.match(place) else place


def open_binary(place: Place) -> BinaryIO:
    """Open a file for reading, where one can go back."""
    if not is_url(place):
        return open(local(place), "rb")
    with _at(place) as (system, path):
        return system.open(path, "rb")  # type: ignore[no-any-return]


def read_bytes(place: Place) -> bytes:
    """Return what a file holds."""
    if not is_url(place):
        return Path(local(place)).read_bytes()
    with _at(place) as (system, path):
        return system.cat_file(path)  # type: ignore[no-any-return]


def exists(place: Place) -> bool:
    """Return whether there is a file or a folder."""
    if not is_url(place):
        return os.path.exists(local(place))
    with _at(place) as (system, path):
        return bool(system.exists(path))


def is_folder(place: Place) -> bool:
    """Return whether there is a folder."""
    if not is_url(place):
        return os.path.isdir(local(place))
    with _at(place) as (system, path):
        return bool(system.isdir(path))


def walk(
    folder: PurePath, onerror: Callable[[OSError], None] | None = None
) -> Iterator[tuple[PurePath, list[str], list[str]]]:
    """Yield the folders below one, itself first, each with the names of its folders and files, as `os.walk` does.

    Folders that are taken out of the names are not entered. onerror: called where a folder cannot be read.
    """
    if not is_url(folder):
        for place, folders, names in os.walk(folder, onerror=onerror):
            yield Path(place), folders, names
        return
    with _at(folder) as (system, root):
        for at, folders, names in system.walk(root, on_error=onerror or "omit"):
            yield folder / PurePosixPath(at).relative_to(root), folders, names


def make_folder(folder: Place) -> None:
    """Make a folder and those above it where they are missing."""
    if not is_url(folder):
        Path(local(folder)).mkdir(parents=True, exist_ok=True)
        return
    with _at(folder) as (system, path):
        if not _has_whole_objects(system):
            system.makedirs(path, exist_ok=True)


@contextmanager
def uploaded(url: Place, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path of this machine, whose file is put at a URL when the block ends: all of it or nothing.

    replace: whether a file that is there may be replaced; where not, FileExistsError.
    """
    with tempfile.TemporaryDirectory(prefix="nic-") as folder:
        part = Path(folder, "part")
        yield part
        with _at(url) as (system, path):
            if not replace and system.exists(path):
                raise FileExistsError(errno.EEXIST, "a file of that name is there")
            _put(system, part, path)


def _put(system: Any, part: Path, path: str) -> None:
    if _has_whole_objects(system):
        system.put_file(str(part), path)
        return
    above, slash, _ = path.rpartition("/")
    unfinished = f"{above}{slash}.nic-{secrets.token_hex(4)}.part"
    try:
        system.put_file(str(part), unfinished)
        system.mv(unfinished, path)
    except BaseException:
        with suppress(Exception):  # it may not be there at all
            system.rm_file(unfinished)
        raise


def check_writable(url: Place) -> None:
    """Raise OSError or NicError where nothing can be written at a URL, as far as that can be told without writing."""
    with _at(url) as (system, path):
        if system.isdir(path):
            raise IsADirectoryError(errno.EISDIR, "a folder has that name")


def _has_whole_objects(system: Any) -> bool:
    protocols = {system.protocol} if isinstance(system.protocol, str) else {*system.protocol}
    return bool(protocols & _WHOLE)


@contextmanager
def _at(url: Place) -> Iterator[tuple[Any, str]]:
    """Yield fsspec's file system of a URL and the path there; whatever goes wrong in the block is OSError."""
    text = str(url)
    try:
        from fsspec.core import url_to_fs  # an optional dependency
    except ImportError as error:
        raise NicError(f"{text} is read and written by fsspec: pip install 'nic-core[fsspec]'") from error
    try:
        yield url_to_fs(text)
    except (OSError, NicError, MemoryError):
        raise
    except ImportError as error:  # says which package a protocol takes
        raise NicError(f"{text}: {error}") from error
    except Exception as error:  # what services raise has no common base
        raise OSError(f"{type(error).__name__}: {error}") from error
