"""What comes with pictures: captions, and label maps that give each pixel a class."""

from pathlib import Path

from nic_core.errors import NicError
from nic_core.host.tables import Table, read_table

from nic_train.data.labels import LabelMaps, reading, same_shape
from nic_train.data.pictures import Pictures, in_threads, warn_of

Captions = Table
"""Texts by picture."""


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
