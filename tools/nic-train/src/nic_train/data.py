"""Training pictures: any folder tree, random crops, decoded once."""

import logging
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from nic_core.errors import NicError
from PIL import Image
from rich.progress import track
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}
logger = logging.getLogger("nic.train")


def find_pictures(folder: Path) -> list[Path]:
    """Return all picture files below a folder, sorted; NicError where there are none."""
    if not folder.is_dir():
        raise NicError(f"{folder} is not a folder")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise NicError(f"no pictures below {folder} (looked for {' '.join(sorted(SUFFIXES))})")
    return found


def read_pictures(paths: Sequence[Path], smallest: int) -> list[np.ndarray]:
    """Return RGB arrays (H, W, 3) uint8; files that are unreadable or below `smallest` pixels are named once."""
    pictures, refused = [], []
    for path in track(paths, description=f"reading {len(paths)} pictures"):
        try:
            with Image.open(path) as image:
                picture = np.asarray(image.convert("RGB"))
        except (OSError, ValueError, Image.DecompressionBombError):
            refused.append(path.name)
            continue
        if min(picture.shape[:2]) < smallest:
            refused.append(path.name)
        else:
            pictures.append(picture)
    if refused:
        logger.warning("%d unreadable or too small: %s", len(refused), ", ".join(refused[:20]))
    if not pictures:
        raise NicError(f"none of {len(paths)} pictures is readable and at least {smallest} pixels on its short side")
    return pictures


def as_tensor(picture: np.ndarray) -> Tensor:
    """Return (3, H, W) uint8."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


class RandomCrops(IterableDataset):
    """An endless stream of crops: each pass shuffles the pictures; crops flip at random.

    start: crops already drawn, so that a resumed run goes on with new ones.
    """

    def __init__(self, pictures: Sequence[np.ndarray], crop: int, seed: int, start: int = 0) -> None:
        self._pictures, self._crop, self._seed, self._start = pictures, crop, seed, start

    def __iter__(self):
        """Yield (3, crop, crop) uint8 tensors."""
        count, index = len(self._pictures), self._start
        while True:
            epoch, position = divmod(index, count)
            order = list(range(count))
            random.Random(f"{self._seed} order {epoch}").shuffle(order)
            picture = self._pictures[order[position]]
            draw = random.Random(f"{self._seed} crop {index}")
            top, left = (draw.randint(0, side - self._crop) for side in picture.shape[:2])
            crop = picture[top : top + self._crop, left : left + self._crop]
            yield as_tensor(crop[:, ::-1] if draw.random() < 0.5 else crop)
            index += 1


class CentreCrops(Dataset):
    """One centre crop of each picture, for validation."""

    def __init__(self, pictures: Sequence[np.ndarray], crop: int) -> None:
        self._pictures, self._crop = pictures, crop

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._pictures)

    def __getitem__(self, index: int) -> Tensor:
        """Return (3, crop, crop) uint8."""
        picture = self._pictures[index]
        top, left = ((side - self._crop) // 2 for side in picture.shape[:2])
        return as_tensor(picture[top : top + self._crop, left : left + self._crop])
