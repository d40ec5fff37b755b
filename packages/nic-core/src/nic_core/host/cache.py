"""Codecs with their weights in memory, shared by whoever asks for the same, within a limit."""

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from threading import Lock
from weakref import WeakSet

from nic_core.codec import PixelCodec

GIB = 1 << 30


@dataclass
class _Place:
    """Where one codec is kept. size: bytes of its weights file."""

    size: int
    lock: Lock = field(default_factory=Lock)
    codec: PixelCodec | None = None


_caches: "WeakSet[Cache]" = WeakSet()
"""All of this process."""


class Cache:
    """Opened codecs by what they were opened from; the least recently used go first.

    limit: bytes of the weights files of all that are kept, of which one is kept whatever its size.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._places: OrderedDict[Hashable, _Place] = OrderedDict()
        self._left_behind: list[OrderedDict[Hashable, _Place]] = []
        _caches.add(self)

    @property
    def limit(self) -> int:
        """How many bytes."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        with self._lock:
            self._limit = limit
            self._evict()

    @property
    def size(self) -> int:
        """Bytes of the weights files of what is kept."""
        return sum(place.size for place in list(self._places.values()))

    def __len__(self) -> int:
        """Return how many codecs are kept."""
        return len(self._places)

    def get(self, key: Hashable, size: int, make: Callable[[], PixelCodec]) -> PixelCodec:
        """Return the codec of a key, made if it is not there; by one thread while others that want it wait."""
        with self._lock:
            place = self._places.setdefault(key, _Place(size))
            self._places.move_to_end(key)
        with place.lock:
            if place.codec is None:
                try:
                    place.codec = make()
                except BaseException:
                    self.drop([key])
                    raise
        with self._lock:
            self._evict()
        return place.codec

    def drop(self, keys: Iterable[Hashable]) -> None:
        """Keep some codecs no longer; work that uses one ends first, and the next to ask opens it again."""
        with self._lock:
            for key in keys:
                self._places.pop(key, None)

    def clear(self) -> None:
        """Keep none."""
        self.drop(list(self._places))

    def forget(self) -> None:
        """Begin anew in a forked process, where locks may be held and threads are gone."""
        self._left_behind.append(self._places)  # ending a codec would wait for its threads
        self._lock, self._places = Lock(), OrderedDict()

    def _evict(self) -> None:
        while len(self._places) > 1 and self.size > self._limit:
            self._places.popitem(last=False)


def _forget() -> None:
    for each in list(_caches):
        each.forget()


cache = Cache(2 * GIB)
"""The one that is used where no other is given."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
