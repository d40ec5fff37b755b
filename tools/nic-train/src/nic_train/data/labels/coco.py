"""Label maps of COCO's JSON files."""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from nic_core.errors import BadPicture, NicError
from nic_core.files.json_files import read_json
from PIL import Image

from nic_train.data.labels.maps import LabelMap, narrow
from nic_train.data.labels.panoptic import class_list
from nic_train.data.pictures import fingerprint, reading


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


def _label_map(which: np.ndarray, meanings: Sequence[tuple[int, int]]) -> LabelMap:
    """Return the map of (class, instance) pairs, of which `which` says the one of each pixel, (H, W)."""
    classes, instances = np.array(meanings, np.uint16).T
    return LabelMap(narrow(classes)[which], narrow(instances)[which])


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
