"""What comes with pictures: captions, and label maps that give each pixel a class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nic_core.errors import NicError
from nic_core.files.json_files import read_json_value
from nic_core.host.tables import Table, read_names, read_table

from nic_train.data.labels.maps import LabelMap, LabelMaps, same_shape
from nic_train.data.pictures import Pictures, in_threads, reading, warn_of

Captions = Table
"""Texts by picture."""


@dataclass(frozen=True)
class Item:
    """A decoded picture with its annotations.

    pixels: (H, W, 3) uint8. texts: its captions, () where they are not asked for. labels: its label map, which may be
    scaled, or None.
    """

    pixels: np.ndarray
    texts: tuple[str, ...] = ()
    labels: LabelMap | None = None


def load_captions(path: Path, quiet: bool = False) -> Captions:
    """Read captions from COCO's JSON or from {file: text or list of texts}; NicError for anything else."""
    with reading(path, quiet):
        table = read_table(path)
    try:
        stripped = {name: [text.strip() for text in found] for name, found in table.values.items()}
    except AttributeError as error:
        raise NicError(f"{path} holds no captions: they are COCO's captions JSON, or {{file: text}}") from error
    # An empty caption counts where it is all that a picture has.
    return Captions({name: tuple(filter(None, texts)) or tuple(texts[:1]) for name, texts in stripped.items()})


def paired_captions(names: Path, texts: Path, quiet: bool = False) -> Captions:
    """Read captions from two JSON lists, of pictures' names and of a text for each; a name may come several times.

    NicError where they are not of one length, or hold anything else.
    """
    with reading(texts, quiet):
        listed, found = read_names(names), read_json_value(texts)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise NicError(f"{texts} is no JSON list of texts, one for each name in {names}")
    if len(found) != len(listed):
        raise NicError(f"{names} has {len(listed)} names, and {texts} {len(found)} captions")
    captions: dict[str, tuple[str, ...]] = {}
    for name, text in zip(listed, found, strict=True):
        captions[name] = (*captions.get(name, ()), text.strip())
    return Captions(captions)


def with_annotations(
    pictures: Pictures, captions: Captions | None, labels: LabelMaps | None, quiet: bool = False
) -> Pictures:
    """Return the pictures that have a caption and a label map of their shape, as far as these are given.

    Warns once of those that are left out; NicError where none is left. A label map of another size is fine as long as
    its sides have the same ratio: it is scaled.
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
        missing = " and ".join(
            name for name, given in (("caption", captions), ("label map of its shape", labels)) if given
        )
        raise NicError(f"none of the {len(pictures)} pictures has a {missing}")
    if not quiet:
        lost = set(range(len(pictures))).difference(kept)
        warn_of(
            [pictures.names[index] for index in sorted(lost)],
            f"of {len(pictures)} pictures left out, without the caption or label map of their shape that is needed",
        )
    return pictures.chosen(kept)
