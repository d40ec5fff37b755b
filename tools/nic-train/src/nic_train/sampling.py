"""Which sample a draw gives: a pure function of the run's seed and the draw's number.

Nothing depends on what was drawn before, in which process, or how a batch is split. So a resumed run draws what an
uninterrupted one would, and two processes draw together what one draws alone.
"""

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from nic_core.errors import BadPicture, NicError
from nic_nn.batch import Batch
from torch.utils.data import Dataset, Sampler

from nic_train.annotations import Captions, LabelMaps
from nic_train.pictures import Broken, DataRecord, Pictures, fingerprint, in_threads, read_rgb


@dataclass(frozen=True)
class Item:
    """A decoded picture with its annotations.

    pixels: (H, W, 3) uint8. texts: its captions, () where they are not asked for. labels: (h, w) of an unsigned
    integer type, or None; h and w may be scaled.
    """

    pixels: np.ndarray
    texts: tuple[str, ...] = ()
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class Sample:
    """What one draw gives: pixels (crop, crop, 3) uint8 and labels (crop, crop), both their own copies."""

    key: int
    file: str
    pixels: np.ndarray
    text: str | None
    labels: np.ndarray | None


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Pictures with the annotations that are asked for: what is drawn from.

    memory: the decoded pictures, None for broken ones; or None where files are decoded at each draw. The samples are
    the same either way.
    """

    pictures: Pictures
    captions: Captions | None = None
    labels: LabelMaps | None = None
    memory: tuple[Item | None, ...] | None = None
    broken: Broken = field(default_factory=Broken)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.pictures)

    @property
    def cached(self) -> bool:
        """Whether the pictures are decoded already."""
        return self.memory is not None

    def record(self) -> DataRecord:
        """Return what tells this set from others."""
        record, parts = self.pictures.record(), []
        if self.captions is not None:
            parts += [text for name in self.pictures.names for text in self.captions.of(name)]
        if self.labels is not None:
            parts.append(self.labels.fingerprint())
        return replace(record, annotations=fingerprint(parts) if parts else "")

    def decoded_bytes(self) -> int:
        """Return the memory that the decoded pictures take; a label takes one byte."""
        channels = 3 if self.labels is None else 4
        return sum(channels * width * height for width, height in self.pictures.sizes)

    def in_memory(self, quiet: bool = False) -> "PictureSet":
        """Return the set with all pictures decoded, in threads. Processes forked later share the memory."""
        description = f"decoding {len(self)} pictures"
        return replace(self, memory=tuple(in_threads(self.read, range(len(self)), description, quiet)))

    def read(self, index: int) -> Item | None:
        """Return a picture decoded; None, with a warning the first time, where it is broken."""
        if self.memory is not None:
            return self.memory[index]
        name = self.pictures.names[index]
        if name in self.broken:
            return None
        try:
            return self._decode(name, min(self.pictures.sizes[index]))
        except NicError as error:
            self.broken.add(name, f"left out, replaced by the next: {error}")
            return None

    def first_sound(self, indices: Iterable[int]) -> tuple[int, Item]:
        """Return the first picture in this order that can be decoded; NicError where none can."""
        for index in indices:
            item = self.read(index)
            if item is not None:
                return index, item
        raise NicError(f"none of the {len(self)} pictures below {self.pictures.root} can be decoded")

    def _decode(self, name: str, short_side: int) -> Item:
        pixels = read_rgb(self.pictures.root / name)
        if min(pixels.shape[:2]) < short_side:
            raise BadPicture(f"{name}: the picture has become smaller")
        texts = () if self.captions is None else self.captions.of(name)
        return Item(pixels, texts, None if self.labels is None else self.labels.read(name))


class Draws:
    """Which picture each draw takes: every epoch takes each once, in an order of its own."""

    def __init__(self, seed: int, count: int) -> None:
        self._seed, self._count = seed, count
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def picture(self, draw: int) -> int:
        """Return the number of the picture that a draw takes."""
        return next(self.candidates(draw))

    def candidates(self, draw: int) -> Iterator[int]:
        """Yield the picture that a draw takes, and those to take in turn where it is broken."""
        epoch, position = divmod(draw, self._count)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, permutation(self._count, self._seed, "order", epoch)
        for step in range(self._count):
            yield int(self._order[(position + step) % self._count])


class Crops(Dataset):
    """Random crops, mirrored half of the time, by the draw's number.

    crop: side in pixels; no picture may be smaller.
    """

    def __init__(self, pictures: PictureSet, crop: int, seed: int) -> None:
        self._pictures, self._crop, self._seed = pictures, crop, seed
        self._draws = Draws(seed, len(pictures))

    def __getitem__(self, draw: int) -> Sample:
        """Return a draw's sample; a broken picture is replaced by the next of its epoch."""
        index, item = self._pictures.first_sound(self._draws.candidates(draw))
        return random_crop(item, sample_key(self._seed, draw), self._pictures.pictures.names[index], self._crop)


class CentreCrops(Dataset):
    """One centre crop of each picture, always with the same key, for validation."""

    def __init__(self, pictures: PictureSet, crop: int) -> None:
        self._pictures, self._crop = pictures, crop

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._pictures)

    def __getitem__(self, number: int) -> Sample:
        """Return a picture's sample; a broken picture is replaced by the next."""
        order = ((number + step) % len(self) for step in range(len(self)))
        index, item = self._pictures.first_sound(order)
        top, left = ((side - self._crop) // 2 for side in item.pixels.shape[:2])
        text = item.texts[0] if item.texts else None
        key, name = sample_key("validation", number), self._pictures.pictures.names[index]
        return Sample(key, name, *_cut(item, top, left, self._crop, mirrored=False, text=text))


class StepSampler(Sampler[list[int]]):
    """The draws of each optimizer step: step s takes draws s * batch to (s + 1) * batch, of which this rank its part.

    batch: over all processes, a multiple of `world`. start_step: the step to begin with; steps: the step to end before.
    """

    def __init__(self, batch: int, start_step: int, steps: int, rank: int = 0, world: int = 1) -> None:
        self._batch, self._steps = batch, range(start_step, steps)
        self._share = batch // world
        self._offset = rank * self._share

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self._steps)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield each step's draws."""
        for step in self._steps:
            first = step * self._batch + self._offset
            yield list(range(first, first + self._share))


def random_crop(item: Item, key: int, file: str, crop: int) -> Sample:
    """Return a crop of a picture, mirrored or not, with one of its captions; all as the key decides."""
    draw = random.Random(key)
    top, left = (draw.randint(0, side - crop) for side in item.pixels.shape[:2])
    mirrored = draw.random() < 0.5
    text = draw.choice(item.texts) if item.texts else None
    return Sample(key, file, *_cut(item, top, left, crop, mirrored, text))


def collate(samples: Sequence[Sample]) -> Batch:
    """Return samples as a batch. Pixels lie channels last in memory, as they were decoded."""
    pixels = torch.from_numpy(np.stack([sample.pixels for sample in samples])).permute(0, 3, 1, 2)
    texts = [sample.text for sample in samples if sample.text is not None]
    labels = [sample.labels for sample in samples if sample.labels is not None]
    return Batch(
        pixels=pixels,
        keys=torch.tensor([sample.key for sample in samples], dtype=torch.int64),
        files=tuple(sample.file for sample in samples),
        text=tuple(texts) if texts else None,
        labels=torch.from_numpy(np.stack(labels).astype(np.int64)) if labels else None,
    )


def sample_key(*parts: object) -> int:
    """Return a number of 63 bits that differs for different parts, the same on every machine."""
    return int.from_bytes(_digest(parts), "big") >> 1


def permutation(count: int, *parts: object) -> np.ndarray:
    """Return the numbers below `count` in an order that the parts decide."""
    # RandomState, not default_rng: its numbers are frozen, so that a run resumes alike under a newer numpy.
    return np.random.RandomState(int.from_bytes(_digest(parts)[:4], "big")).permutation(count)


def _digest(parts: Iterable[object]) -> bytes:
    return hashlib.blake2b(" ".join(map(str, parts)).encode(), digest_size=8).digest()


def _cut(
    item: Item, top: int, left: int, crop: int, mirrored: bool, text: str | None
) -> tuple[np.ndarray, str | None, np.ndarray | None]:
    """Return pixels, text and labels of a crop, in the order of Sample's fields."""
    height, width = item.pixels.shape[:2]
    pixels = item.pixels[top : top + crop, left : left + crop]
    labels = None
    if item.labels is not None:
        # Of each pixel's centre, the label there: the nearest, where the map is scaled.
        rows = (2 * np.arange(top, top + crop) + 1) * item.labels.shape[0] // (2 * height)
        columns = (2 * np.arange(left, left + crop) + 1) * item.labels.shape[1] // (2 * width)
        labels = item.labels[rows[:, None], columns]
    if mirrored:
        pixels, labels = pixels[:, ::-1], None if labels is None else labels[:, ::-1]
    # Copies: a view would keep the whole picture in memory until the batch is complete.
    return pixels.copy(), text, None if labels is None else labels.copy()
