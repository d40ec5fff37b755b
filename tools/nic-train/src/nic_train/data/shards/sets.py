"""Sets of shards: what is drawn from, counted before the first step."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nic_core.errors import BadPicture, NicError

from nic_train.data.annotations import Item
from nic_train.data.labels.panoptic import PANOPTIC
from nic_train.data.pictures import Broken, DataRecord, Extent, fingerprint, holds, in_threads, in_words, warn_of
from nic_train.data.shards.files import is_local, is_tfrecord
from nic_train.data.shards.tar import read_tar
from nic_train.data.shards.tfrecords import read_tfrecord

BLOCK = 256
"""Samples, still compressed, that a stream holds to shuffle them."""


class Packed(Protocol):
    """A sample as it lies in a shard."""

    @property
    def name(self) -> str:
        """What messages call it: the shard, and its name or number there."""

    def decode(self, needs: frozenset[str], classes: int = 0) -> Item:
        """Return the picture and the annotations that are needed; BadPicture where something is broken or missing.

        classes: how many the label map may have, void included; 0 for any.
        """


@dataclass(frozen=True, eq=False)
class ShardSet:
    """Shards: what is drawn from.

    counts: samples in each, None where that is not known before it is read. smallest: a side, or the height and
    width, that a picture must have. needs: "text" and "labels", what a sample must carry. classes: how many the label
    maps may have, void included; 0 where that is not known.
    """

    urls: tuple[str, ...]
    counts: tuple[int | None, ...]
    smallest: Extent
    needs: frozenset[str] = frozenset()
    classes: int = 0
    block: int = BLOCK
    broken: Broken = field(default_factory=Broken)

    @property
    def cached(self) -> bool:
        """Whether the pictures are decoded already: never."""
        return False

    def record(self) -> DataRecord:
        """Return what tells these shards from others; the folder itself may move."""
        pictures = None if None in self.counts else sum(count or 0 for count in self.counts)
        lengths = [Path(url).stat().st_size if is_local(url) else 0 for url in self.urls]
        names = [url.rpartition("/")[2] for url in self.urls]
        annotations = fingerprint(sorted(self.needs)) if self.needs else ""
        return DataRecord(pictures, len(self.urls), fingerprint(names), fingerprint(map(str, lengths)), annotations)

    def decode(self, packed: Packed) -> Item | None:
        """Return a sample decoded; None, with a warning the first time, where it is broken or lacks what is needed."""
        if packed.name in self.broken:
            return None
        try:
            item = packed.decode(self.needs, self.classes)
            if not holds((item.pixels.shape[1], item.pixels.shape[0]), self.smallest):
                raise BadPicture(f"{packed.name}: below {in_words(self.smallest)}")
        except NicError as error:
            self.broken.add(packed.name, f"left out, replaced by the next: {error}")
            return None
        return item


def scan_shards(
    urls: Sequence[str], smallest: Extent, needs: frozenset[str] = frozenset(), classes: int = 0, *, quiet: bool = False
) -> ShardSet:
    """Count the samples of local shards by their headers; warn once of damaged ones, and of those without pictures.

    NicError where no shard is left.
    """

    broken = Broken()
    if all(map(is_tfrecord, urls)) and "labels" in needs:
        classes = classes or len(PANOPTIC) + 1

    def known_count(url: str) -> int | None:
        return count_samples(url, broken) if is_local(url) else None

    counts = list(in_threads(known_count, urls, f"reading the headers of {len(urls)} shards", quiet))
    kept = [(url, count) for url, count in zip(urls, counts, strict=True) if count != 0]
    if not quiet:
        empty = [url for url, count in zip(urls, counts, strict=True) if count == 0 and url not in broken]
        warn_of(empty, f"of {len(urls)} shards left out, without pictures")
    if not kept:
        raise NicError(f"none of {len(urls)} shards holds a picture: {urls[0]}")
    return ShardSet(
        tuple(url for url, _ in kept), tuple(count for _, count in kept), smallest, needs, classes, broken=broken
    )


def count_samples(url: str, broken: Broken) -> int:
    """Return how many samples a shard holds, broken pictures among them; what follows damage does not count."""
    return sum(1 for _ in read_shard(url, broken, first=sys.maxsize))


def read_shard(url: str, broken: Broken, first: int = 0) -> Iterator[Packed]:
    """Yield a shard's samples in order. Those before number `first` come without their contents.

    Ends, with a warning, where the shard is damaged.
    """
    return (read_tfrecord if is_tfrecord(url) else read_tar)(url, broken, first)
