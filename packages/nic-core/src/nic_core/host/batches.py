"""Many pictures or files: those of one size that follow one another as a batch, where a codec is faster so."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nic_core.ahead import ahead

Given = TypeVar("Given")
Item = TypeVar("Item")
Made = TypeVar("Made")

MOST = 32
"""Pictures of a batch, however small."""


def most_of(batch_pixels: int, width: int, height: int) -> int:
    """Return how many pictures of a size are a batch. batch_pixels: as of `PixelCodec`."""
    return max(1, min(MOST, batch_pixels // (width * height)))


@dataclass(frozen=True)
class Batches(Generic[Given, Item, Made]):
    """How things are made in batches.

    prepare: turns what is given into an item. alike: what items of a batch have in common, None for an item that goes
    alone. most: how many like an item are a batch. one, together: make something of an item, of a whole batch.
    """

    prepare: Callable[[Given], Item]
    alike: Callable[[Item], Hashable]
    most: Callable[[Item], int]
    one: Callable[[Item], Made]
    together: Callable[[list[Item]], list[Made]]

    def made(self, given: Iterable[Given], threads: int) -> Iterator[Made]:
        """Yield what is made, in order; an error comes in the place of what it is about. threads: as of `ahead`."""
        prepared = ahead(_or_error(self.prepare), given, threads=threads)
        for results in ahead(self._results, self._groups(prepared), threads=threads):
            for result in results:
                if isinstance(result, Exception):
                    raise result
                yield result

    def _groups(self, items: Iterable[Item | Exception]) -> Iterator[list[Any]]:
        """Yield items that follow one another and are alike, and errors by themselves."""
        group: list[Any] = []
        common: Hashable = None
        most = 0
        for item in items:
            key = None if isinstance(item, Exception) else self.alike(item)
            if group and (key is None or key != common or len(group) >= most):
                yield group
                group = []
            if not group:
                most = 1 if key is None or isinstance(item, Exception) else self.most(item)
            group.append(item)
            common = key
        if group:
            yield group

    def _results(self, group: list[Any]) -> list[Made | Exception]:
        if len(group) > 1:
            try:
                return [*self.together(group)]
            except Exception:  # which item it was, and whether it needs the others, is found out one by one
                pass
        results: list[Made | Exception] = []
        for item in group:
            result = item if isinstance(item, Exception) else _or_error(self.one)(item)
            results.append(result)
            if isinstance(result, Exception):
                break
        return results


def _or_error(function: Callable[[Given], Made]) -> Callable[[Given], Made | Exception]:
    """Return a function that returns what another raises."""

    def call(given: Given) -> Made | Exception:
        try:
            return function(given)
        except Exception as error:
            return error

    return call
