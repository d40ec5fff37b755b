"""Whole pictures scaled, changed and padded with their labels, as in deeplab2's training, before they are cropped."""

import math
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from nic_nn.training.augmentation import Augmentation
from PIL import Image

from nic_train.data.annotations import Item
from nic_train.data.autoaugment import augmented
from nic_train.data.labels.maps import LabelMap

GRAY = 128
"""What is around a picture that is smaller than the crop; deeplab2's 127.5 as a whole number."""
VOID = 0


def prepared(item: Item, crop: tuple[int, int], augmentation: Augmentation, draw: random.Random) -> Item:
    """Return a picture at least as large as the crop (height, width), scaled, changed and padded as the draw decides.

    Pixels are interpolated between the four nearest, labels take the nearest; corners come to lie on corners.
    """
    height, width = new_size(item.pixels.shape[:2], crop, augmentation, draw)
    item = scaled(item, height, width)
    if augmentation.autoaugment != "none":
        item = replace(item, pixels=augmented(item.pixels, augmentation.autoaugment, draw))
    return padded(item, crop, draw)


def new_size(
    size: tuple[int, ...], crop: tuple[int, int], augmentation: Augmentation, draw: random.Random
) -> tuple[int, int]:
    """Return the (height, width) that a picture is scaled to, rounded down; without padding a crop fits into it."""
    if augmentation.long_side:
        size = tuple(augmentation.long_side * side // max(size) for side in size)
    factor = factor_of(augmentation, draw)
    if not augmentation.pad:
        factor = max(factor, crop[0] / size[0], crop[1] / size[1])
    height, width = (max(math.floor(side * factor + 1e-6), 1) for side in size)
    return height, width


def factor_of(augmentation: Augmentation, draw: random.Random) -> float:
    """Return a factor to scale by; with a step, any of those between the ends is as likely."""
    low, high = augmentation.scale
    if not augmentation.scale_step:
        return draw.uniform(low, high)
    count = int((high - low) / augmentation.scale_step + 1 + 1e-6)
    return low + (high - low) * draw.randrange(count) / max(count - 1, 1)


def scaled(item: Item, height: int, width: int) -> Item:
    """Return a picture, and its labels where it has such, of another size; both of that size."""
    rows, columns = item.pixels.shape[:2]
    down, across = _step(rows, height), _step(columns, width)
    pixels = item.pixels
    if (rows, columns) != (height, width):
        # Pillow counts from pixels' edges, and corner pixels' centres are to lie on each other.
        there = (across, 0, 0.5 - across / 2, 0, down, 0.5 - down / 2)
        image = Image.fromarray(pixels).transform(
            (width, height), Image.Transform.AFFINE, there, Image.Resampling.BILINEAR
        )
        pixels = np.asarray(image)
    if item.labels is None:
        return replace(item, pixels=pixels)
    label_rows, label_columns = item.labels.classes.shape
    at = np.ix_(
        ((np.arange(height) * down + 0.5) * label_rows / rows).astype(int),
        ((np.arange(width) * across + 0.5) * label_columns / columns).astype(int),
    )
    return replace(item, pixels=pixels, labels=_changed(item.labels, lambda values: values[at]))


def padded(item: Item, crop: tuple[int, int], draw: random.Random) -> Item:
    """Return a picture at least as large as the crop: a smaller one somewhere in gray, and its labels in void."""
    missing = [max(least - side, 0) for least, side in zip(crop, item.pixels.shape[:2], strict=True)]
    before = [draw.randrange(max(count, 1)) for count in missing]
    if not any(missing):
        return item
    around = [(first, count - first) for first, count in zip(before, missing, strict=True)]
    pixels = np.pad(item.pixels, [*around, (0, 0)], constant_values=GRAY)
    labels = item.labels and _changed(item.labels, lambda values: np.pad(values, around, constant_values=VOID))
    return replace(item, pixels=pixels, labels=labels)


def _step(old: int, new: int) -> float:
    """Return how far apart, in old pixels, new ones lie."""
    return (old - 1) / (new - 1) if new > 1 else 0.0


def _changed(labels: LabelMap, change: Callable[[np.ndarray], np.ndarray]) -> LabelMap:
    return LabelMap(change(labels.classes), None if labels.instances is None else change(labels.instances))
