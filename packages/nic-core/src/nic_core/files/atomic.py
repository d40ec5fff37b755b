"""Writing a file so that an interrupted run leaves the old file or the new one, never half of one."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nic_core.errors import CannotWrite
from nic_core.files import places
from nic_core.files.places import Place
from nic_core.files.temporary import temporary


def atomic_write(path: Place, data: bytes, replace: bool = True) -> None:
    """Write `data` to `path`, which may be a URL (see `places`), all or nothing.

    A link keeps pointing where it does; a device or pipe (/dev/stdout) is written directly. CannotWrite, with the
    folder and the reason, where it does not work.
    replace: whether a file of that name may be replaced; where not, CannotWrite says that there is one.
    """
    target = _target(path)
    if is_device(target):
        try:
            target.write_bytes(data)
        except OSError as error:
            raise CannotWrite(f"cannot write {path}: {error.strerror or error}") from error
        return
    with atomic_path(path, replace) as part, open(part, "xb") as file:
        file.write(data)


@contextmanager
def atomic_path(path: Place, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the same folder, which takes the name `path` when the block ends.

    Of a URL it is one of this machine, whose file is then put there.
    What was written goes away on any error, an interrupt included, and by a later run's hand after a kill. CannotWrite
    and `replace` as in `atomic_write`.
    """
    if places.is_url(path):
        with _writing(path), places.uploaded(path, replace) as part:
            yield part
        return
    target = _target(path)
    try:
        with temporary(target.parent) as (part, permissions):
            yield part
            os.chmod(part, permissions)  # some writers make files that only their owner can read
            if replace:
                os.replace(part, target)
            else:
                _take_free_name(part, target)
    except OSError as error:
        raise _cannot_write(path, target, error) from error


def check_writable(path: Place) -> None:
    """Raise CannotWrite, as `atomic_write` would, where a file cannot be written; leaves no trace. For long work.

    Of a URL only that much is found out as takes no writing.
    """
    if places.is_url(path):
        with _writing(path):
            places.check_writable(path)
        return
    target = _target(path)
    if is_device(target):
        return
    try:
        with suppress(FileNotFoundError):
            os.lstat(target)  # fails for names that are too long
        if os.path.isdir(target):
            raise IsADirectoryError
        with temporary(target.parent):
            pass
    except OSError as error:
        raise _cannot_write(path, target, error) from error


def make_folder(path: Place) -> None:
    """Make a folder and those above it where they are missing; CannotWrite where that does not work."""
    try:
        places.make_folder(path)
    except OSError as error:
        raise CannotWrite(f"cannot make the folder {path}: {error.strerror or error}") from error


def _target(path: Place) -> Path:
    return Path(os.path.realpath(places.local(path)))


def is_device(path: Place) -> bool:
    """Return whether a path is one of a device or a pipe, where nothing is replaced by writing."""
    path = places.local(path)
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


@contextmanager
def _writing(url: Place) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"cannot write {url}: {error.strerror or error}") from error


def _take_free_name(part: Path, target: Path) -> None:
    """Give a file a name that no other has; FileExistsError where one does."""
    try:
        os.link(part, target)  # fails where the name is taken, at this very moment
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "a file of that name is there") from None
        os.replace(part, target)


def _cannot_write(path: Place, target: Path, error: OSError) -> CannotWrite:
    path = Path(places.local(path))
    return CannotWrite(f"cannot write {path.name} in the folder {path.parent}: {_reason(target, error)}")


def _reason(target: Path, error: OSError) -> str:
    if os.path.isdir(target):
        return "a folder has that name"
    if isinstance(error, FileExistsError):
        return "a file of that name is there"
    if not os.path.exists(target.parent):
        return "the folder does not exist"
    if not os.path.isdir(target.parent):
        return "that is a file, not a folder"
    return error.strerror or str(error)
