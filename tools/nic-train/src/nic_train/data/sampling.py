"""Which sample a draw gives: a pure function of the run's seed and the draw's number.

Nothing depends on what was drawn before, in which process, or how a batch is split. So a resumed run draws what an
uninterrupted one would, and two processes draw together what one draws alone.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from nic_core.errors import BadPicture, NicError
from nic_nn.training.augmentation import Augmentation
from torch.utils.data import Dataset, Sampler

from nic_train.data.annotations import Captions, Item
from nic_train.data.crops import PLAIN, Sample, centre_crop, random_crop
from nic_train.data.labels.maps import LabelMaps, check_shape
from nic_train.data.pictures import Broken, DataRecord, Extent, Pictures, fingerprint, in_threads, read_rgb


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

    @property
    def classes(self) -> int:
        """How many classes the label maps have, void included; 0 where they are not asked for."""
        return 0 if self.labels is None else self.labels.classes

    def record(self) -> DataRecord:
        """Return what tells this set from others."""
        record, parts = self.pictures.record(), []
        if self.captions is not None:
            parts += [text for name in self.pictures.names for text in self.captions.of(name)]
        if self.labels is not None:
            parts.append(self.labels.fingerprint())
        return replace(record, annotations=fingerprint(parts) if parts else "")

    def decoded_bytes(self) -> int:
        """Return the memory that the decoded pictures take; a class and an instance take one byte each."""
        channels = 3 if self.labels is None else 5
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
        labels = None if self.labels is None else self.labels.read(name)
        if labels is not None:
            check_shape(labels, pixels, name)
        return Item(pixels, texts, labels)


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
    """Random crops by the draw's number.

    crop: side in pixels, or height and width; no picture may be smaller, unless such are padded. augmentation: how they
    are made.
    """

    def __init__(self, pictures: PictureSet, crop: Extent, seed: int, augmentation: Augmentation = PLAIN) -> None:
        self._pictures, self._crop, self._seed, self._augmentation = pictures, crop, seed, augmentation
        self._draws = Draws(seed, len(pictures))

    def __getitem__(self, draw: int) -> Sample:
        """Return a draw's sample; a broken picture is replaced by the next of its epoch."""
        index, item = self._pictures.first_sound(self._draws.candidates(draw))
        name = self._pictures.pictures.names[index]
        return random_crop(item, sample_key(self._seed, draw), name, self._crop, self._augmentation)


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
        return centre_crop(item, sample_key("validation", number), self._pictures.pictures.names[index], self._crop)


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


def sample_key(*parts: object) -> int:
    """Return a number of 63 bits that differs for different parts, the same on every machine."""
    return int.from_bytes(_digest(parts), "big") >> 1


def permutation(count: int, *parts: object) -> np.ndarray:
    """Return the numbers below `count` in an order that the parts decide."""
    # RandomState, not default_rng: its numbers are frozen, so that a run resumes alike under a newer numpy.
    return np.random.RandomState(int.from_bytes(_digest(parts)[:4], "big")).permutation(count)


def _digest(parts: Iterable[object]) -> bytes:
    return hashlib.blake2b(" ".join(map(str, parts)).encode(), digest_size=8).digest()
