"""Writing a file so that an interrupted run leaves the old file or the new one, never half of one."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nic_core.errors import CannotWrite


def atomic_write(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to `path`, all or nothing.

    A link keeps pointing where it does; a device or pipe (/dev/stdout) is written directly. CannotWrite, with the
    folder and the reason, where it does not work.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file() and not target.is_dir():
        target.write_bytes(data)
        return
    with atomic_path(path) as temporary, open(temporary, "xb") as file:
        file.write(data)


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they are missing; CannotWrite where that does not work."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"cannot make the folder {path}: {error.strerror or error}") from error


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path in the same folder, which takes the name `path` when the block ends.

    What was written goes away on any error, an interrupt included. CannotWrite as in `atomic_write`.
    """
    target = Path(os.path.realpath(path))
    # Not tempfile: its files are readable by their owner only. Short: the name itself may be at the length limit.
    temporary = target.with_name(f".{secrets.token_hex(6)}.part")
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())  # some writers make files that only their owner can read
        os.replace(temporary, target)
    except OSError as error:
        raise CannotWrite(
            f"cannot write {Path(path).name} in the folder {Path(path).parent}: {_reason(target, error)}"
        ) from error
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _reason(target: Path, error: OSError) -> str:
    if target.is_dir():
        return "a folder has that name"
    if not target.parent.exists():
        return "the folder does not exist"
    if not target.parent.is_dir():
        return "that is a file, not a folder"
    return error.strerror or str(error)
