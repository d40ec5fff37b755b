"""Files on disk by what is in them: the same picture is kept once, and a name never means another one."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from nic_core.files.atomic import atomic_write, make_folder


class Store:
    """Below a folder: uploaded files by their SHA-256, and what was made of them by what it was made of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, data: bytes) -> str:
        """Keep an uploaded file; return its name."""
        name = hashlib.sha256(data).hexdigest()
        self._write(self._path("uploaded", name), data)
        return name

    def path(self, name: str) -> Path | None:
        """Return where an uploaded file lies; None where there is none of that name."""
        path = self._path("uploaded", name)
        return path if path.exists() else None

    def made(self, recipe: str, make: Callable[[], bytes]) -> bytes:
        """Return what `make` makes, from disk where it was made before; recipe: all that it depends on."""
        path = self._path("made", hashlib.sha256(recipe.encode()).hexdigest())
        if path.exists():
            return path.read_bytes()
        data = make()
        self._write(path, data)
        return data

    def _path(self, kind: str, name: str) -> Path:
        return self._folder / kind / name[:2] / name

    def _write(self, path: Path, data: bytes) -> None:
        if not path.exists():
            make_folder(path.parent)
            atomic_write(path, data)  # whole or not at all, whoever else writes it at this moment
