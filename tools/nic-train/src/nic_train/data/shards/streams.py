"""The batches that are drawn from shards; see the room for what holds."""

import itertools
from collections import deque
from collections.abc import Iterator

from nic_core.errors import NicError
from nic_nn.training.augmentation import Augmentation
from nic_nn.training.batch import Batch
from torch.utils.data import IterableDataset, get_worker_info

from nic_train.data.annotations import Item
from nic_train.data.crops import PLAIN, Sample, collate, random_crop
from nic_train.data.pictures import Extent
from nic_train.data.sampling import permutation, sample_key
from nic_train.data.shards.sets import Packed, ShardSet, count_samples, read_shard

_MOST_STREAMS = 8
_MOST_BROKEN = 1000  # samples in a row


def stream_count(shards: int, world: int) -> int:
    """Return how many streams each of `world` ranks draws from; NicError where there are fewer shards than ranks."""
    if shards < world:
        raise NicError(f"{shards} shards cannot be shared by {world} processes: they must be at least as many")
    return _power_of_two(min(_MOST_STREAMS, shards // world))


def worker_count(workers: int, streams: int) -> int:
    """Return how many workers, at most as many as asked for, can share the streams evenly; 0 for none."""
    return _power_of_two(min(workers, streams)) if workers else 0


class ShardBatches(IterableDataset):
    """The batches of steps `start_step` to `steps` of one rank; see the room for what holds.

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
        augmentation: Augmentation = PLAIN,
    ) -> None:
        self._shards, self._crop, self._seed, self._augmentation = shards, crop, seed, augmentation
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
            yield random_crop(item, key, packed.name, self._crop, self._augmentation)
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


def _power_of_two(limit: int) -> int:
    """Return the largest one up to a limit."""
    return 1 << (limit.bit_length() - 1)
