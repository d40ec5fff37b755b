"""The folder of a run: made for a new one, and no way to write elsewhere for one that somebody else began."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nic_core.errors import CannotWrite, NicError
from nic_core.files.atomic import check_writable, make_folder

RECORD = "run.json"
CHECKPOINT = Path("checkpoints", "last.ckpt")

_READ_AS_MORE = ("$", "::")
"""What the libraries that write metrics replace in a path, or take for an address."""
_WANDB = "wandb"
"""Where Weights & Biases makes a folder for each start of a run, with links to its own logs, and changes no other."""


@contextmanager
def new_folder(run: Path) -> Iterator[None]:
    """Make a run's folder; where the block fails, take away again what was made and is still empty.

    NicError where the folder holds other files, or a run that has come to a checkpoint. CannotWrite where it cannot be
    made or written to.
    """
    if mark := next((mark for mark in _READ_AS_MORE if mark in str(run)), None):
        raise CannotWrite(f"a run's folder cannot have {mark} in its path: {run}")
    missing = [place for place in (run, *run.absolute().parents) if not os.path.lexists(place)]
    try:
        make_folder(run)
        _check_free(run)
        check_writable(run / RECORD)
        yield
    except BaseException:
        for place in missing:
            with suppress(OSError):
                place.rmdir()
        raise


def _check_free(run: Path) -> None:
    if (run / CHECKPOINT).exists():
        raise NicError(f"{run} already holds a run; go on with --resume {run}, or choose another --out")
    if (run / RECORD).exists():  # of a run that ended before its first checkpoint
        check_closed(run)
    elif any(not path.name.startswith(".") for path in run.iterdir()):
        raise NicError(f"{run} already holds other files; choose another --out")


def check_closed(run: Path) -> None:
    """Raise NicError where a link in a run's folder leads out of it: what is written there would land elsewhere."""
    root = run.resolve()
    for folder, folders, files in os.walk(run):
        if Path(folder) == run / _WANDB:
            folders.clear()
            continue
        for path in (Path(folder, name) for name in (*folders, *files)):
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                raise NicError(f"{path} is a link that leads out of the run's folder; remove it first")
