"""Tar shards, for sets that outgrow a disk: files in a row whose names agree up to the first dot are a sample.

A sample is a picture (jpg, png, webp, ...) with an optional caption (txt, or json: a text, a list of texts, or
{"caption": one of these}) and an optional label map (seg.png, whose values are the classes, 0 for void). See
`nic_train.data.shard_files` for where they lie.

What holds: each rank draws from up to eight streams in turn, step by step. A stream is endless and a function of the
seed, the shards and the number of ranks alone: in an epoch all streams share the shards, in an order of that epoch, and
each shuffles its samples in blocks of `block`. So a run that resumes with as many ranks gets exactly the batches it
would have had, whatever the number of workers. Another number of ranks gives another order: unlike with folders, two
processes do not draw together what one draws alone.

Resuming skips whole epochs and shards by their counts of samples, and the rest by the headers. Local shards are counted
when the run starts, from their headers. Others are counted when they are to be skipped, and for that read through.
"""

import io
import itertools
import json
import sys
import tarfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, cast

from nic_core.errors import BadPicture, NicError
from nic_core.pictures import image_files
from nic_nn.training.batch import Batch
from torch.utils.data import IterableDataset, get_worker_info
from webdataset.handlers import ignore_and_continue
from webdataset.tariterators import group_by_keys

from nic_train.data.labels import LabelMap, check_shape, check_values, decode_labels
from nic_train.data.pictures import (
    Broken,
    DataRecord,
    Extent,
    decode_rgb,
    fingerprint,
    holds,
    in_threads,
    in_words,
    warn_of,
)
from nic_train.data.sampling import Item, Sample, collate, permutation, random_crop, sample_key
from nic_train.data.shard_files import is_local, open_shard

BLOCK = 256
"""Samples, still compressed, that a stream holds to shuffle them."""

_PICTURES = frozenset(suffix[1:] for suffix in image_files.READABLE_SUFFIXES)
_WANTED = _PICTURES | {"txt", "json", "seg.png"}
_DAMAGE = (OSError, EOFError, HTTPException, tarfile.TarError, zlib.error)
_MOST_STREAMS = 8
_MOST_BROKEN = 1000  # samples in a row


@dataclass(frozen=True, eq=False)
class ShardSet:
    """Shards: what is drawn from.

    counts: samples in each, None where that is not known before it is read. smallest: pixels on the short side that a
    picture must have. needs: "text" and "labels", what a sample must carry. classes: how many the label maps may
    have, void included; 0 where that is not known.
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

    def decode(self, packed: "Packed") -> Item | None:
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


@dataclass(frozen=True)
class Packed:
    """A sample as it lies in a shard: its name, and its files' bytes by suffix."""

    name: str
    files: dict[str, bytes]

    def decode(self, needs: frozenset[str], classes: int = 0) -> Item:
        """Return the picture and the annotations that are needed; BadPicture where something is broken or missing.

        classes: how many the label map may have, void included; 0 for any.
        """
        suffix = next((suffix for suffix in self.files if suffix in _PICTURES), None)
        if suffix is None:
            raise BadPicture(f"{self.name}: the shard is damaged here")
        pixels = decode_rgb(self.files[suffix], f"{self.name}.{suffix}")
        texts = self._texts() if "text" in needs else ()
        labels = self._labels(classes) if "labels" in needs else None
        if labels is not None:
            check_shape(labels, pixels, self.name)
        return Item(pixels, texts, labels)

    def _texts(self) -> tuple[str, ...]:
        try:
            if "txt" in self.files:
                found: Any = self.files["txt"].decode()
            else:
                found = json.loads(self.files.get("json", b"[]"))
        except (ValueError, RecursionError) as error:
            raise BadPicture(f"{self.name}: its caption cannot be read ({error})") from error
        if isinstance(found, dict):
            found = found.get("caption")
        several = found if isinstance(found, list) else [found]
        texts = tuple(text.strip() for text in several if isinstance(text, str) and text.strip())
        if not texts:
            raise BadPicture(f'{self.name}: it has no caption (txt, or json with "caption")')
        return texts

    def _labels(self, classes: int) -> LabelMap:
        if "seg.png" not in self.files:
            raise BadPicture(f"{self.name}: it has no label map (seg.png)")
        values = decode_labels(io.BytesIO(self.files["seg.png"]), f"{self.name}.seg.png")
        if classes:
            check_values(values, classes, f"{self.name}.seg.png")
        return LabelMap(values)


def read_shard(url: str, broken: Broken, first: int = 0) -> Iterator[Packed]:
    """Yield a shard's samples in order. Those before number `first` come without their files.

    Ends, with a warning, where the shard is damaged.
    """
    samples = group_by_keys(_members(url, broken), handler=ignore_and_continue)
    with_picture = (sample for sample in samples if _PICTURES.intersection(sample))
    for number, sample in enumerate(with_picture):
        files = {}
        if number >= first:
            try:
                files = {suffix: read() for suffix, read in sample.items() if suffix in _WANTED}
            except _DAMAGE:  # cut short: it keeps its place in the order, and is broken when decoded
                files = {}
        yield Packed(f"{url}/{sample['__key__']}", files)


def stream_count(shards: int, world: int) -> int:
    """Return how many streams each of `world` ranks draws from; NicError where there are fewer shards than ranks."""
    if shards < world:
        raise NicError(f"{shards} shards cannot be shared by {world} processes: they must be at least as many")
    return _power_of_two(min(_MOST_STREAMS, shards // world))


def worker_count(workers: int, streams: int) -> int:
    """Return how many workers, at most as many as asked for, can share the streams evenly; 0 for none."""
    return _power_of_two(min(workers, streams)) if workers else 0


class ShardBatches(IterableDataset):
    """The batches of steps `start_step` to `steps` of one rank; see the module for what holds.

    The batch of step s comes from stream s modulo their number. DataLoader takes batches from its workers in turn; as
    the number of workers divides that of the streams, each stream has one worker to itself.

    batch: over all ranks, a multiple of `world`.
    """

    def __init__(
        self,
        shards: ShardSet,
        crop: Extent,
        batch: int,
        seed: int,
        start_step: int,
        steps: int,
        rank: int,
        world: int,
        scale: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        self._shards, self._crop, self._seed, self._scale = shards, crop, seed, scale
        self._share = batch // world
        self._steps = range(start_step, steps)
        self._rank, self._world = rank, world
        self._counts = list(shards.counts)

    def __len__(self) -> int:
        """Return the number of batches, over all workers."""
        return len(self._steps)

    def __iter__(self) -> Iterator[Batch]:
        """Yield this worker's batches."""
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        count = stream_count(len(self._shards.urls), self._world)
        streams: dict[int, Iterator[Sample]] = {}
        for step in self._steps[number::workers]:
            which = step % count
            if which not in streams:
                begun = step // count * self._share
                streams[which] = self._samples(self._rank * count + which, self._world * count, begun)
            yield collate(list(itertools.islice(streams[which], self._share)))

    def _samples(self, stream: int, streams: int, start: int) -> Iterator[Sample]:
        """Yield a stream's crops from number `start` on; a broken sample is replaced by the next sound one."""
        slots = self._slots(stream, streams, start)
        waiting: deque[Packed] = deque()
        for number in itertools.count(start):
            packed, item = self._first_sound(waiting, slots)
            key = sample_key(self._seed, "shards", streams, stream, number)
            yield random_crop(item, key, packed.name, self._crop, self._scale)
            waiting.popleft()

    def _first_sound(self, waiting: deque[Packed], slots: Iterator[Packed]) -> tuple[Packed, Item]:
        """Return the next sample that can be decoded.

        waiting: samples taken from the slots already. Those behind a broken one stay there: their turn comes too, so
        that a sample's place in the order does not depend on what is broken before it.
        """
        for ahead in range(_MOST_BROKEN):
            if ahead == len(waiting):
                waiting.append(next(slots))
            item = self._shards.decode(waiting[ahead])
            if item is not None:
                return waiting[ahead], item
        raise NicError(f"{_MOST_BROKEN} samples in a row are broken, up to {waiting[-1].name}")

    def _slots(self, stream: int, streams: int, skip: int) -> Iterator[Packed]:
        """Yield a stream's samples without end, after the first `skip`."""
        for epoch in itertools.count():
            order = permutation(len(self._shards.urls), self._seed, "shards", epoch)
            mine = [int(index) for index in order[stream::streams]]
            if skip:
                total = sum(map(self._count, mine))
                if skip >= total:
                    skip -= total
                    continue
            found = False
            for packed in self._epoch(mine, skip, (self._seed, "block", epoch, streams, stream)):
                found = True
                yield packed
            if not found:
                raise NicError(f"no pictures in {len(mine)} shards, such as {self._shards.urls[mine[0]]}")
            skip = 0

    def _epoch(self, shards: list[int], skip: int, seed: tuple[object, ...]) -> Iterator[Packed]:
        """Yield the samples of some shards, shuffled in blocks, after the first `skip`."""
        size = self._shards.block
        first = skip // size
        samples = self._in_order(shards, first * size)
        for number in itertools.count(first):
            block = list(itertools.islice(samples, size))
            if not block:
                return
            order = permutation(len(block), *seed, number)
            for position in order[skip - number * size if number == first else 0 :]:
                yield block[position]

    def _in_order(self, shards: list[int], skip: int) -> Iterator[Packed]:
        """Yield the samples of some shards as they lie there, after the first `skip`."""
        for index in shards:
            if skip and skip >= self._count(index):
                skip -= self._count(index)
                continue
            yield from itertools.islice(read_shard(self._shards.urls[index], self._shards.broken, skip), skip, None)
            skip = 0

    def _count(self, index: int) -> int:
        known = self._counts[index]
        if known is None:
            known = self._counts[index] = count_samples(self._shards.urls[index], self._shards.broken)
        return known


def _members(url: str, broken: Broken) -> Iterator[dict[str, Any]]:
    """Yield a shard's files as `group_by_keys` takes them, but data is a function that returns the bytes.

    It must be called before this ends: the empty last one says so.
    """
    # Only of a plain local file can be read later what is passed over now.
    seekable = is_local(url) and url.endswith(".tar")
    try:
        with open_shard(url) as stream, tarfile.open(fileobj=stream, mode="r:" if seekable else "r|*") as archive:
            try:
                for member in archive:
                    if member.isfile():
                        data = _read_later(archive, member) if seekable else _read_now(archive, member)
                        yield {"fname": member.name, "data": data, "__url__": url}
                    archive.members = []  # type: ignore[attr-defined]  # or it remembers every header
            except _DAMAGE as error:
                broken.add(url, f"{url}: the shard is damaged, only what comes before is used ({error})")
            yield {}
    except _DAMAGE as error:
        broken.add(url, f"{url}: the shard cannot be read ({error})")


def _read_later(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], bytes]:
    return lambda: cast(IO[bytes], archive.extractfile(member)).read()


def _read_now(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], bytes]:
    data = cast(IO[bytes], archive.extractfile(member)).read()
    return lambda: data


def _power_of_two(limit: int) -> int:
    """Return the largest one up to a limit."""
    return 1 << (limit.bit_length() - 1)
