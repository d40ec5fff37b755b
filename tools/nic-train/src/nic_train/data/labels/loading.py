"""Label maps from what `--labels` names."""

import os
from collections.abc import Sequence
from pathlib import Path

from nic_core.errors import NicError

from nic_train.data.labels.coco import CocoLabels
from nic_train.data.labels.folder import LabelFolder
from nic_train.data.labels.maps import LabelMaps, check_classes


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
    check_classes(classes, labels.classes)
    return labels
