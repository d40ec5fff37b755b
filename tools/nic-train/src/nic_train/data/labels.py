"""Label maps, which give each pixel a class: folders of PNG files, and COCO's JSON files.

Whatever the source, class 0 is void and the classes count up from it without gaps.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

import numpy as np
from nic_core.errors import BadPicture, NicError
from nic_core.files.json_files import read_json, read_json_value
from PIL import Image
from rich.console import Console

from nic_train.data.panoptic import class_list
from nic_train.data.pictures import fingerprint, in_threads, read_size

CLASS_FILE = "classes.json"
"""In a folder of label maps: a list of the classes' names, by value."""

_VOID = 255  # in PNG files, wherever that is not a class
_VOID_NAMES = ("void", "unlabeled", "unlabelled")


@dataclass(frozen=True)
class LabelMap:
    """The classes of a picture's pixels.

    classes: (H, W) of an unsigned integer type, 0 for void. instances: as large, the number that a thing has in this
    picture and 0 for all else; None where the source knows no instances.
    """

    classes: np.ndarray
    instances: np.ndarray | None = None


class LabelMaps(Protocol):
    """Label maps by picture, which is given by its path below the data folder."""

    @property
    def classes(self) -> int:
        """How many classes there are, void included."""

    def size(self, name: str) -> tuple[int, int] | None:
        """Return a map's (width, height), None where there is none or it is broken."""

    def read(self, name: str) -> LabelMap:
        """Return a map; BadPicture if it is broken or has other classes."""

    def fingerprint(self) -> str:
        """Return what tells these maps from others."""


def load_labels(paths: Sequence[Path], classes: int = 0, quiet: bool = False) -> LabelMaps:
    """Return the label maps of a folder of PNG files, or of one or several of COCO's JSON files.

    classes: how many the user of the maps has, void included; 0 for as many as there are.
    NicError where the files are neither, or have another number of classes.
    """
    if len(paths) == 1 and os.path.isdir(paths[0]):
        return LabelFolder.of(paths[0], classes, quiet)
    for path in paths:
        if path.suffix.lower() != ".json":
            raise NicError(f"{path} holds no label maps: they are a folder of PNG files, or COCO's JSON files")
    labels = CocoLabels(paths, quiet)
    _check_classes(classes, labels.classes)
    return labels


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
            _check_classes(classes, found)
        else:
            read = list(in_threads(_highest, paths, f"reading {len(paths)} label maps for their classes", quiet))
            offset = int(max(highest for highest, _ in read) == _VOID)
            found = max(values[offset] for values in read) + 1 + offset
            if found > classes:
                _check_classes(classes, found)
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
        return LabelMap(_narrow(np.where(void, 0, values.astype(np.uint16) + self.offset)))

    def fingerprint(self) -> str:
        """Return what tells these maps from others: names and lengths of the files, and what their values mean."""
        files = (f"{name} {path.stat().st_size}" for name, path in sorted(self.files.items()))
        return fingerprint([*files, f"offset {self.offset}"])

    def _path(self, name: str) -> Path | None:
        stem = PurePosixPath(name).with_suffix("")
        return self.files.get(stem.as_posix()) or self.files.get(stem.name)


class CocoLabels:
    """Label maps of COCO's JSON files: panoptic, stuff or instances, or stuff and instances together.

    Their class list is that of COCO's panoptic task, or the files' own categories (`nic_train.data.panoptic`). Crowds
    are void. A panoptic file has its PNG files in the folder of the same name beside it. The polygons and run lengths
    of the others are painted, things over stuff and larger areas first, so that what lies in front of them stays
    visible; this needs pycocotools. Several files of either kind add up.
    """

    def __init__(self, paths: Sequence[Path], quiet: bool = False) -> None:
        self._sizes: dict[str, tuple[int, int]] = {}
        # As text: as Python objects, the polygons of a large set fill the memory of every process that loads.
        self._areas: dict[str, list[str]] = {}
        self._segments: dict[str, tuple[Path, str]] = {}
        categories: list[dict[str, Any]] = []
        for path in paths:
            with reading(path, quiet):
                content = read_json(path)
            try:
                self._add(path, content)
                categories += content["categories"]
                self._list = class_list(categories)
            except (AttributeError, KeyError, TypeError) as error:
                raise NicError(
                    f"{path} holds no label maps: it is no panoptic, stuff or instances JSON of COCO's form"
                ) from error

    @property
    def classes(self) -> int:
        """How many classes there are, void included."""
        return self._list.classes

    def size(self, name: str) -> tuple[int, int] | None:
        """Return a map's (width, height), None where nothing is annotated."""
        return self._sizes.get(self._key(name))

    def read(self, name: str) -> LabelMap:
        """Return a map; BadPicture if it is broken or has a category that the files do not list."""
        key = self._key(name)
        try:
            return self._from_png(*self._segments[key]) if key in self._segments else self._painted(key)
        except (IndexError, KeyError, OSError, TypeError, ValueError) as error:
            raise BadPicture(f"{name}: its label map is damaged ({error})") from error

    def fingerprint(self) -> str:
        """Return what tells these maps from others."""
        painted = (f"{name} {areas}" for name, areas in sorted(self._areas.items()))
        return fingerprint([*painted, *(f"{name} {text}" for name, (_, text) in sorted(self._segments.items()))])

    def _key(self, name: str) -> str:
        return name if name in self._sizes else PurePosixPath(name).name

    def _add(self, path: Path, content: dict[str, Any]) -> None:
        images = {image["id"]: image for image in content["images"]}
        by_image: dict[int, list[dict]] = {}
        for annotation in content["annotations"]:
            by_image.setdefault(annotation["image_id"], []).append(annotation)
        for number, annotations in by_image.items():
            image = images[number]
            name = image["file_name"]
            if "segments_info" in annotations[0]:
                segments = [
                    [found["id"], found["category_id"], found.get("iscrowd", 0)]
                    for found in annotations[0]["segments_info"]
                ]
                self._segments[name] = (path.with_suffix("") / annotations[0]["file_name"], json.dumps(segments))
            else:
                if find_spec("pycocotools") is None:
                    raise NicError("COCO's label maps need pycocotools: pip install 'nic-train[coco]'")
                areas = [
                    [found["area"], found["category_id"], found.get("iscrowd", 0), found["segmentation"]]
                    for found in annotations
                ]
                self._areas.setdefault(name, []).append(json.dumps(areas))
            self._sizes[name] = (image["width"], image["height"])

    def _painted(self, key: str) -> LabelMap:
        width, height = self._sizes[key]
        areas = [area for text in self._areas[key] for area in json.loads(text)]
        areas.sort(key=lambda area: (area[1] in self._list.things, -area[0]))
        which = np.zeros((height, width), np.uint16, order="F")  # as pycocotools has its masks: that is faster
        meanings = [(0, 0)]
        for number, (_, category, crowd, segmentation) in enumerate(areas, 1):
            np.putmask(which.T, _inside(segmentation, height, width).T, number)
            meanings.append(self._meaning(category, crowd, number, key))
        return _label_map(which, meanings)

    def _from_png(self, path: Path, text: str) -> LabelMap:
        with Image.open(path) as image:
            colours = np.asarray(image.convert("RGB")).astype(np.int32)
        found, which = np.unique(colours @ np.array([1, 256, 256**2], np.int32), return_inverse=True)
        segments: dict[int, tuple[int, int]] = {0: (0, 1)}  # what belongs to no segment is void, as crowds are
        segments |= {segment: (category, crowd) for segment, category, crowd in json.loads(text)}
        if unknown := set(found.tolist()).difference(segments):
            raise BadPicture(f"{path}: its segment {min(unknown)} is not in the JSON file")
        meanings = [self._meaning(*segments[segment], number, path) for number, segment in enumerate(found.tolist(), 1)]
        return _label_map(which.reshape(colours.shape[:2]), meanings)

    def _meaning(self, category: int, crowd: int, number: int, name: object) -> tuple[int, int]:
        """Return the class and the instance of the pixels that belong to annotation `number`; 0 and 0 for crowds."""
        if crowd:
            return 0, 0
        if category not in self._list.numbers:
            known = f"{min(self._list.numbers)} to {max(self._list.numbers)}"
            raise BadPicture(f"{name}: the label map holds category {category}, which its file does not list ({known})")
        return self._list.numbers[category], number if category in self._list.things else 0


def decode_labels(source: Path | BinaryIO, name: str) -> np.ndarray:
    """Return a PNG file's values, (H, W) of an unsigned integer type.

    BadPicture, with the file's `name`, where it is broken or has several channels.
    """
    try:
        with Image.open(source) as image:
            values = np.asarray(image)
    except Exception as error:  # what Pillow raises on damaged files has no common base
        raise BadPicture(f"{name}: the label map is damaged ({error})") from error
    if values.ndim != 2:
        raise BadPicture(f"{name}: a label map has one channel, not {values.shape[2]}")
    return _narrow(values)


def check_values(values: np.ndarray, count: int, name: str) -> None:
    """Raise BadPicture where a label map holds a value that is not below `count`."""
    highest = int(values.max(initial=0))
    if highest >= count:
        raise BadPicture(f"{name}: the label map holds {highest}, outside the class list's 0 to {count - 1}")


def check_shape(labels: LabelMap, pixels: np.ndarray, name: str) -> None:
    """Raise BadPicture where a label map has another shape than its picture (H, W, 3)."""
    (rows, columns), (height, width) = labels.classes.shape, pixels.shape[:2]
    if not same_shape((rows, columns), (height, width)):
        raise BadPicture(f"{name}: its label map of {columns}x{rows} does not fit the picture of {width}x{height}")


def same_shape(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Tell whether one size is the other, scaled and rounded to whole pixels."""
    return abs(first[0] * second[1] - first[1] * second[0]) <= max(sum(first), sum(second)) / 2


def reading(path: Path, quiet: bool) -> AbstractContextManager:
    """Show that a file is being read: half a minute for the largest of COCO's."""
    return Console(stderr=True, quiet=quiet).status(f"reading {path.name}")


def _check_classes(wanted: int, found: int) -> None:
    if wanted not in (0, found):
        raise NicError(
            f"the recipe has classes={wanted}, but the label maps have {found}, void included; "
            "without a value of its own the recipe follows the label maps"
        )


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


def _narrow(values: np.ndarray) -> np.ndarray:
    """Return values in the smallest type that holds them."""
    return values.astype(np.uint8 if values.max(initial=0) < 256 else np.uint16, copy=False)


def _label_map(which: np.ndarray, meanings: Sequence[tuple[int, int]]) -> LabelMap:
    """Return the map of (class, instance) pairs, of which `which` says the one of each pixel, (H, W)."""
    classes, instances = np.array(meanings, np.uint16).T
    return LabelMap(_narrow(classes)[which], _narrow(instances)[which])


def _inside(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Return where a segmentation of COCO's is, (H, W) bool."""
    from pycocotools import mask  # an optional dependency

    if isinstance(segmentation, list):  # polygons
        runs = mask.merge(mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):  # run lengths as numbers
        runs = mask.frPyObjects(segmentation, height, width)
    else:
        runs = segmentation
    return mask.decode(runs).view(bool)
