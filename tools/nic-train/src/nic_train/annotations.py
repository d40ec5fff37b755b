"""What comes with pictures: captions, and label maps that give each pixel a class."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

import numpy as np
from nic_core.errors import BadPicture, NicError
from nic_core.tables import Table, read_json, read_table
from PIL import Image
from rich.console import Console

from nic_train.pictures import Pictures, fingerprint, in_threads, read_size, warn_of

Captions = Table
"""Texts by picture."""


class LabelMaps(Protocol):
    """Label maps by picture, which is given by its path below the data folder."""

    def size(self, name: str) -> tuple[int, int] | None:
        """Return a map's (width, height), None where there is none or it is broken."""

    def read(self, name: str) -> np.ndarray:
        """Return a map, (H, W) of an unsigned integer type; BadPicture if it is broken."""

    def fingerprint(self) -> str:
        """Return what tells these maps from others."""


def load_captions(path: Path, quiet: bool = False) -> Captions:
    """Read captions from COCO's JSON or from {file: text or list of texts}; NicError for anything else."""
    with _reading(path, quiet):
        table = read_table(path)
    try:
        texts = {name: tuple(text.strip() for text in found if text.strip()) for name, found in table.values.items()}
    except AttributeError as error:
        raise NicError(f"{path} holds no captions: they are COCO's captions JSON, or {{file: text}}") from error
    return Captions(texts)


def load_labels(paths: Sequence[Path], quiet: bool = False) -> LabelMaps:
    """Return the label maps of a folder of PNG files, or of one or several of COCO's JSON files; NicError for others.

    PNG files have one channel, whose values are the classes as stored. COCO's files, stuff or instances, give
    category ids, and 0 where nothing is annotated; of several, the later is painted over the earlier.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return LabelFolder.of(paths[0])
    for path in paths:
        if path.suffix.lower() != ".json":
            raise NicError(f"{path} holds no label maps: they are a folder of PNG files, or COCO's JSON files")
    return CocoLabels(paths, quiet)


@dataclass(frozen=True)
class LabelFolder:
    """A folder of PNG files named like the pictures, apart from the suffix.

    files: by path below the folder, and by bare name where that is unique; both without suffix.
    """

    files: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path) -> "LabelFolder":
        """Return those of a folder tree; NicError where there are none."""
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".png")
        if not paths:
            raise NicError(f"no label maps (PNG files) below {folder}")
        bare: dict[str, list[Path]] = {}
        for path in paths:
            bare.setdefault(path.stem, []).append(path)
        unique = {stem: found[0] for stem, found in bare.items() if len(found) == 1}
        return cls(unique | {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths})

    def size(self, name: str) -> tuple[int, int] | None:
        """Return a map's (width, height), None where there is none or it is broken."""
        path = self._path(name)
        try:
            return None if path is None else read_size(path)
        except NicError:
            return None

    def read(self, name: str) -> np.ndarray:
        """Return a map, (H, W) of an unsigned integer type; BadPicture if it is broken or has several channels."""
        path = self._path(name)
        if path is None:
            raise BadPicture(f"{name}: it has no label map")
        return decode_labels(path, str(path))

    def fingerprint(self) -> str:
        """Return what tells these maps from others: names and lengths of the files."""
        return fingerprint(f"{name} {path.stat().st_size}" for name, path in sorted(self.files.items()))

    def _path(self, name: str) -> Path | None:
        stem = PurePosixPath(name).with_suffix("")
        return self.files.get(stem.as_posix()) or self.files.get(stem.name)


def decode_labels(source: Path | BinaryIO, name: str) -> np.ndarray:
    """Return a PNG file's label map, (H, W) of an unsigned integer type.

    BadPicture, with the file's `name`, where it is broken or has several channels.
    """
    try:
        with Image.open(source) as image:
            values = np.asarray(image)
    except Exception as error:  # what Pillow raises on damaged files has no common base
        raise BadPicture(f"{name}: the label map is damaged ({error})") from error
    if values.ndim != 2:
        raise BadPicture(f"{name}: a label map has one channel, not {values.shape[2]}")
    return values.astype(np.uint8 if values.max(initial=0) < 256 else np.uint16, copy=False)


class CocoLabels:
    """Label maps painted from the polygons and run lengths of COCO's JSON files: stuff, instances or both.

    Larger areas are painted first, so that what lies in front of them stays visible. Needs pycocotools.
    """

    def __init__(self, paths: Sequence[Path], quiet: bool = False) -> None:
        if find_spec("pycocotools") is None:
            raise NicError("COCO's label maps need pycocotools: pip install 'nic-train[coco]'")
        self._sizes: dict[str, tuple[int, int]] = {}
        # As text: as Python objects, the polygons of a large set fill the memory of every process that loads.
        self._areas: dict[str, list[str]] = {}
        for path in paths:
            with _reading(path, quiet):
                content = read_json(path)
            self._add(path, content)

    def size(self, name: str) -> tuple[int, int] | None:
        """Return a map's (width, height), None where nothing is annotated."""
        return self._sizes.get(self._key(name))

    def read(self, name: str) -> np.ndarray:
        """Return a map of category ids, (H, W) uint8 or uint16; 0 where nothing is annotated."""
        key = self._key(name)
        width, height = self._sizes[key]
        labels = np.zeros((height, width), np.uint16)
        try:
            for areas in self._areas[key]:
                for category, segmentation in json.loads(areas):
                    labels[_inside(segmentation, height, width)] = category
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise BadPicture(f"{name}: its label map is damaged ({error})") from error
        return labels.astype(np.uint8) if labels.max(initial=0) < 256 else labels

    def fingerprint(self) -> str:
        """Return what tells these maps from others."""
        return fingerprint(f"{name} {areas}" for name, areas in sorted(self._areas.items()))

    def _key(self, name: str) -> str:
        return name if name in self._sizes else PurePosixPath(name).name

    def _add(self, path: Path, content: dict[str, Any]) -> None:
        try:
            images = {image["id"]: image for image in content["images"]}
            by_image: dict[int, list[dict]] = {}
            for annotation in content["annotations"]:
                by_image.setdefault(annotation["image_id"], []).append(annotation)
            for number, annotations in by_image.items():
                image = images[number]
                ordered = sorted(annotations, key=lambda annotation: annotation["area"], reverse=True)
                areas = json.dumps([[found["category_id"], found["segmentation"]] for found in ordered])
                self._sizes[image["file_name"]] = (image["width"], image["height"])
                self._areas.setdefault(image["file_name"], []).append(areas)
        except (AttributeError, KeyError, TypeError) as error:
            raise NicError(f"{path} holds no label maps: it is no stuff or instances JSON of COCO's form") from error


def with_annotations(
    pictures: Pictures, captions: Captions | None, labels: LabelMaps | None, quiet: bool = False
) -> Pictures:
    """Return the pictures that have a caption and a label map of their shape, as far as these are given.

    Warns once of those that are left out; NicError where none is left. A label map of another size is fine as long as
    its sides have the same ratio.
    """
    kept = list(range(len(pictures)))
    if captions is not None:
        kept = [index for index in kept if captions.of(pictures.names[index])]
    if labels is not None:
        names = [pictures.names[index] for index in kept]
        sizes = list(in_threads(labels.size, names, f"reading the headers of {len(names)} label maps", quiet))
        kept = [
            index
            for index, size in zip(kept, sizes, strict=True)
            if size is not None and same_shape(size, pictures.sizes[index])
        ]
    if not kept:
        missing = " and ".join(name for name, given in (("caption", captions), ("label map", labels)) if given)
        raise NicError(f"none of the {len(pictures)} pictures has a {missing}")
    if not quiet:
        lost = set(range(len(pictures))).difference(kept)
        warn_of(
            [pictures.names[index] for index in sorted(lost)],
            f"of {len(pictures)} pictures left out, without the caption or label map that the recipe needs",
        )
    return pictures.chosen(kept)


def _inside(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Return where a segmentation of COCO's is, (H, W) bool."""
    from pycocotools import mask  # an optional dependency

    if isinstance(segmentation, list):  # polygons
        runs = mask.merge(mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):  # run lengths as numbers
        runs = mask.frPyObjects(segmentation, height, width)
    else:
        runs = segmentation
    return mask.decode(runs).astype(bool)


def same_shape(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Tell whether one size is the other, scaled and rounded to whole pixels."""
    return abs(first[0] * second[1] - first[1] * second[0]) <= max(sum(first), sum(second)) / 2


def _reading(path: Path, quiet: bool) -> AbstractContextManager:
    """Show that a file is being read: half a minute for the largest of COCO's."""
    return Console(stderr=True, quiet=quiet).status(f"reading {path.name}")
