"""What a label map is, and what is checked of one."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from nic_core.errors import BadPicture, NicError
from PIL import Image


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
    return narrow(values)


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


def check_classes(wanted: int, found: int) -> None:
    """Raise NicError where label maps have another number of classes than is wanted; 0 takes any."""
    if wanted not in (0, found):
        raise NicError(
            f"the recipe has classes={wanted}, but the label maps have {found}, void included; "
            "without a value of its own the recipe follows the label maps"
        )


def narrow(values: np.ndarray) -> np.ndarray:
    """Return values in the smallest type that holds them."""
    return values.astype(np.uint8 if values.max(initial=0) < 256 else np.uint16, copy=False)
