"""Shards: .tar files of pictures, or of .nic files, as WebDataset has them; read and written a member at a time.

Members that belong together share the name up to the last dot ("0001.jpg", "0001.json"); others than those that are
converted are copied, so that a shard stays whole.
"""

import os
import tarfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath, PurePosixPath

from nic_core.errors import CannotRead, CannotWrite, DamagedFile, NicError
from nic_core.files import places
from nic_core.files.atomic import atomic_path, atomic_write, make_folder

SUFFIX = ".tar"


@dataclass(frozen=True)
class Member:
    """A file in a shard. name: its path in there, with slashes. modified: seconds since 1970."""

    name: str
    data: bytes
    modified: float = 0


Add = Callable[[Member], None]
"""Takes the next member of what is written."""


def is_shard(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is named like a shard."""
    return os.fspath(path).lower().endswith(SUFFIX)


def members(path: PurePath, without: Collection[str] = ()) -> Iterator[Member]:
    """Yield the files of a shard, in its order; folders, links and devices are passed over, and the names in `without`.

    CannotRead where it cannot be opened, DamagedFile where it is no tar file or is cut.
    """
    try:
        with places.open_binary(path) as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for entry in tar:
                if entry.isreg() and entry.name not in without:
                    content = tar.extractfile(entry)
                    data = content.read() if content else b""
                    if len(data) != entry.size:
                        raise tarfile.ReadError("unexpected end of data")
                    yield Member(entry.name, data, entry.mtime)
    except tarfile.TarError as error:
        raise DamagedFile(f"{path}: no whole tar file ({error})") from error
    except OSError as error:
        raise CannotRead(f"cannot read {path}: {error.strerror or error}") from error


@contextmanager
def new_shard(path: PurePath, replace: bool) -> Iterator[Add]:
    """Yield a function that adds members to a new shard, which takes its name when the block ends without an error.

    The same members give the same bytes. replace: whether a file of that name may be replaced. CannotWrite.
    """
    with atomic_path(path, replace) as part, tarfile.open(part, "x", format=tarfile.PAX_FORMAT) as tar:

        def add(member: Member) -> None:
            entry = tarfile.TarInfo(member.name)
            entry.size, entry.mtime = len(member.data), member.modified
            tar.addfile(entry, BytesIO(member.data))

        yield add


@contextmanager
def new_folder(path: PurePath, replace: bool) -> Iterator[Add]:
    """Yield a function that writes members as files below a folder, each whole or not at all.

    CannotWrite, also where a member's name leads out of the folder. replace: whether files may be replaced.
    """

    def add(member: Member) -> None:
        target = inside(path, member.name)
        make_folder(target.parent)
        atomic_write(target, member.data, replace)

    yield add


def inside(folder: PurePath, name: str) -> PurePath:
    """Return where a member of a shard lies below a folder; CannotWrite where its name leads out of it."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name or ":" in parts[0]:
        raise CannotWrite(f"{name!r} leads out of the folder {folder}")
    return folder.joinpath(*parts)


class Names:
    """Names of converted members: "a.jpg" becomes "a.nic", and a later "a.png" in the same shard "a.png.nic"."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str, suffix: str | None = None) -> str:
        """Return the name of a member with another suffix, or unchanged, that no earlier one has; NicError for none."""
        stem = name if suffix is None else str(PurePosixPath(name).with_suffix(suffix))
        whole = name if suffix is None else f"{name}{suffix}"
        for form in (stem, whole):
            if form not in self._taken:
                self._taken.add(form)
                return form
        raise NicError(f"{name} is in the shard twice")
