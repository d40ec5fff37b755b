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
from nic_train.data.scaling import prepared

PLAIN = Augmentation()
"""Crops as they are, half of them mirrored."""
SMALL_AREA = 4096
"""Things with fewer pixels in a crop are small: their pixels weigh SMALL_WEIGHT in losses (deeplab2's defaults)."""
SMALL_WEIGHT = 3.0


@dataclass(frozen=True)
class Sample:
    """What one draw gives: pixels (crop, crop, 3) uint8, labels and weights (crop, crop), all their own copies."""

    key: int
    file: str
    pixels: np.ndarray
    text: str | None
    labels: np.ndarray | None
    weights: np.ndarray | None


def random_crop(item: Item, key: int, file: str, crop: int, augmentation: Augmentation = PLAIN) -> Sample:
    """Return a crop of a picture with one of its captions; all as the key decides.

    Without `pad` a picture is not scaled so far down that the crop would not fit.
    """
    draw = random.Random(key)
    side = crop
    if augmentation.of_whole_pictures:
        item = prepared(item, crop, augmentation, draw)
    elif augmentation.scale != (1.0, 1.0):
        side = min(max(round(crop / draw.uniform(*augmentation.scale)), 1), *item.pixels.shape[:2])
    top, left = (draw.randint(0, length - side) for length in item.pixels.shape[:2])
    mirrored = augmentation.mirror and draw.random() < 0.5
    text = draw.choice(item.texts) if item.texts else None
    return _cut(item, top, left, side, crop, mirrored, text, key, file)


def centre_crop(item: Item, key: int, file: str, crop: int) -> Sample:
    """Return the middle of a picture with the first of its captions."""
    top, left = ((side - crop) // 2 for side in item.pixels.shape[:2])
    text = item.texts[0] if item.texts else None
    return _cut(item, top, left, crop, crop, mirrored=False, text=text, key=key, file=file)


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


def _cut(
    item: Item, top: int, left: int, side: int, crop: int, mirrored: bool, text: str | None, key: int, file: str
) -> Sample:
    """Return the sample of a square of the picture, scaled from `side` to `crop` pixels."""
    pixels = item.pixels[top : top + side, left : left + side]
    if side != crop:
        pixels = np.asarray(Image.fromarray(pixels).resize((crop, crop), Image.Resampling.BICUBIC))
    labels = weights = None
    if item.labels is not None:
        # Of each pixel's centre, the label there: the nearest, where the map or the crop is scaled.
        centres = (2 * np.arange(crop) + 1) * side
        (height, width), (rows, columns) = item.pixels.shape[:2], item.labels.classes.shape
        down = (2 * crop * top + centres) * rows // (2 * crop * height)
        across = (2 * crop * left + centres) * columns // (2 * crop * width)
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
