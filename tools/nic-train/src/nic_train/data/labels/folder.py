"""Folders of label maps: PNG files of one channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from nic_core.errors import BadPicture, NicError
from nic_core.files.json_files import read_json_value

from nic_train.data.labels.maps import LabelMap, check_classes, check_values, decode_labels, narrow
from nic_train.data.pictures import fingerprint, in_threads, read_size

CLASS_FILE = "classes.json"
"""In a folder of label maps: a list of the classes' names, by value."""

_VOID = 255  # in PNG files, wherever that is not a class
_VOID_NAMES = ("void", "unlabeled", "unlabelled")


@dataclass(frozen=True)
class LabelFolder:
    """A folder of PNG files named like the pictures, apart from the suffix; they have one channel.

    files: by path below the folder, and by bare name where that is unique; both without suffix.
    classes: how many, void included. offset: what is added to the values in the files: 1 where their 0 is a class.
    """

    files: Mapping[str, Path]
    classes: int
    offset: int

    @classmethod
    def of(cls, folder: Path, classes: int = 0, quiet: bool = False) -> "LabelFolder":
        """Return those of a folder tree; NicError where there are none, or they have more than `classes` classes.

        Names in classes.json that begin with void stand for the values as stored; otherwise 0 is the first class, and
        void is 255. Without that file all maps are read: where 255 is the highest value, it is void and 0 the first
        class; where it is not, 0 is void. Then there may also be fewer classes than `classes`.
        """
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".png")
        if not paths:
            raise NicError(f"no label maps (PNG files) below {folder}")
        names = _class_names(folder)
        if names is not None:
            offset = int(names[0].lower() not in _VOID_NAMES)
            found = len(names) + offset
            check_classes(classes, found)
        else:
            read = list(in_threads(_highest, paths, f"reading {len(paths)} label maps for their classes", quiet))
            offset = int(max(highest for highest, _ in read) == _VOID)
            found = max(values[offset] for values in read) + 1 + offset
            if found > classes:
                check_classes(classes, found)
        bare: dict[str, list[Path]] = {}
        for path in paths:
            bare.setdefault(path.stem, []).append(path)
        unique = {stem: same[0] for stem, same in bare.items() if len(same) == 1}
        files = unique | {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}
        return cls(files, classes or found, offset)

    def size(self, name: str) -> tuple[int, int] | None:
        """Return a map's (width, height), None where there is none or it is broken."""
        path = self._path(name)
        try:
            return None if path is None else read_size(path)
        except NicError:
            return None

    def read(self, name: str) -> LabelMap:
        """Return a map; BadPicture if it is broken, has several channels, or values outside the class list."""
        path = self._path(name)
        if path is None:
            raise BadPicture(f"{name}: it has no label map")
        values = decode_labels(path, str(path))
        count = self.classes - self.offset
        void = values == _VOID if count <= _VOID else np.zeros_like(values, bool)
        check_values(np.where(void, 0, values), count, str(path))
        return LabelMap(narrow(np.where(void, 0, values.astype(np.uint16) + self.offset)))

    def fingerprint(self) -> str:
        """Return what tells these maps from others: names and lengths of the files, and what their values mean."""
        files = (f"{name} {path.stat().st_size}" for name, path in sorted(self.files.items()))
        return fingerprint([*files, f"offset {self.offset}"])

    def _path(self, name: str) -> Path | None:
        stem = PurePosixPath(name).with_suffix("")
        return self.files.get(stem.as_posix()) or self.files.get(stem.name)


def _class_names(folder: Path) -> list[str] | None:
    path = folder / CLASS_FILE
    if not path.exists():
        return None
    names = read_json_value(path)
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise NicError(f"{path} holds no class list: it is a list of names, by value")
    return names


def _highest(path: Path) -> tuple[int, int]:
    """Return a map's highest value, and the highest but 255; zeros where the file is broken."""
    try:
        values = decode_labels(path, str(path))
    except BadPicture:
        return 0, 0
    return int(values.max(initial=0)), int(values.max(initial=0, where=values != _VOID))
