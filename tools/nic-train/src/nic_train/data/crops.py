"""Crops of pictures with what lies on them, and batches of crops."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from nic_nn.training.augmentation import Augmentation
from nic_nn.training.batch import Batch
from PIL import Image

from nic_train.data.annotations import Item
from nic_train.data.pictures import Extent, height_and_width
from nic_train.data.scaling import prepared

PLAIN = Augmentation()
"""Crops as they are, half of them mirrored."""
SMALL_AREA = 4096
"""Things with fewer pixels in a crop are small: their pixels weigh SMALL_WEIGHT in losses (deeplab2's defaults)."""
SMALL_WEIGHT = 3.0


@dataclass(frozen=True)
class Sample:
    """What one draw gives: pixels (H, W, 3) uint8, labels and weights (H, W), all their own copies."""

    key: int
    file: str
    pixels: np.ndarray
    text: str | None
    labels: np.ndarray | None
    weights: np.ndarray | None


def random_crop(item: Item, key: int, file: str, crop: Extent, augmentation: Augmentation = PLAIN) -> Sample:
    """Return a crop of a picture with one of its captions; all as the key decides.

    Without `pad` a picture is not scaled so far down that the crop would not fit.
    """
    draw = random.Random(key)
    size = sides = height_and_width(crop)
    if augmentation.of_whole_pictures:
        item = prepared(item, size, augmentation, draw)
    elif augmentation.scale != (1.0, 1.0):
        factor = draw.uniform(*augmentation.scale)
        wanted = max(round(size[0] / factor), 1), max(round(size[1] / factor), 1)
        sides = _fitting(wanted, item.pixels.shape[:2])
    top, left = (draw.randint(0, length - side) for length, side in zip(item.pixels.shape[:2], sides, strict=True))
    mirrored = augmentation.mirror and draw.random() < 0.5
    text = draw.choice(item.texts) if item.texts else None
    return _cut(item, top, left, sides, size, mirrored, text, key, file)


def centre_crop(item: Item, key: int, file: str, crop: int) -> Sample:
    """Return the middle of a picture with the first of its captions."""
    size = crop, crop
    top, left = ((side - crop) // 2 for side in item.pixels.shape[:2])
    text = item.texts[0] if item.texts else None
    return _cut(item, top, left, size, size, mirrored=False, text=text, key=key, file=file)


def collate(samples: Sequence[Sample]) -> Batch:
    """Return samples as a batch. Pixels lie channels last in memory, as they were decoded."""
    pixels = torch.from_numpy(np.stack([sample.pixels for sample in samples])).permute(0, 3, 1, 2)
    texts = [sample.text for sample in samples if sample.text is not None]
    labels = [sample.labels for sample in samples if sample.labels is not None]
    weights = [sample.weights for sample in samples if sample.weights is not None]
    return Batch(
        pixels=pixels,
        keys=torch.tensor([sample.key for sample in samples], dtype=torch.int64),
        files=tuple(sample.file for sample in samples),
        text=tuple(texts) if texts else None,
        labels=torch.from_numpy(np.stack(labels).astype(np.int64)) if labels else None,
        weights=torch.from_numpy(np.stack(weights)) if weights else None,
    )


def _fitting(sides: tuple[int, int], picture: tuple[int, ...]) -> tuple[int, int]:
    """Return (height, width) in about the same ratio, no larger than the picture."""
    share = min(1.0, picture[0] / sides[0], picture[1] / sides[1])
    height, width = (max(round(side * share), 1) for side in sides)
    return height, width


def _cut(
    item: Item,
    top: int,
    left: int,
    sides: tuple[int, int],
    size: tuple[int, int],
    mirrored: bool,
    text: str | None,
    key: int,
    file: str,
) -> Sample:
    """Return the sample of a part of the picture, scaled from `sides` to `size`, both height and width."""
    pixels = item.pixels[top : top + sides[0], left : left + sides[1]]
    if sides != size:
        pixels = np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC))
    labels = weights = None
    if item.labels is not None:
        # Of each pixel's centre, the label there: the nearest, where the map or the crop is scaled.
        down, across = (
            (2 * length * start + (2 * np.arange(length) + 1) * side) * labelled // (2 * length * whole)
            for length, start, side, labelled, whole in zip(
                size, (top, left), sides, item.labels.classes.shape, item.pixels.shape[:2], strict=True
            )
        )
        where = np.ix_(down, across[::-1] if mirrored else across)
        labels = item.labels.classes[where]
        weights = None if item.labels.instances is None else _weights(item.labels.instances[where])
    # A copy: a view would keep the whole picture in memory until the batch is complete.
    return Sample(key, file, (pixels[:, ::-1] if mirrored else pixels).copy(), text, labels, weights)


def _weights(instances: np.ndarray) -> np.ndarray:
    """Return the weight of each pixel in losses, float32, from the number of its instance."""
    areas = np.bincount(instances.ravel())
    weights = np.where(areas < SMALL_AREA, SMALL_WEIGHT, 1.0).astype(np.float32)
    weights[0] = 1.0  # no instance
    return weights[instances]
