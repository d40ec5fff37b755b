"""Rows of pixels that are made when they are asked for, so that a picture need not be in memory as a whole."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

BAND = 1 << 20
"""Samples, about, that are worked on at a time where nothing else says how many rows."""


Box = Callable[[slice, slice], np.ndarray]
"""Returns the rectangle of some rows and columns, (h, w, C); the slices have a start and an end inside."""


class Strips:
    """A picture's rows from top to bottom, for who takes slices of rows: `strips[first:end]` is an array.

    shape: (H, W, C), or (H, W); dtype: of the samples.
    make: returns an iterator of arrays (h, W, C) that follow one another from the first row to the last.
    box: gives rectangles of the same picture, where those can be had in any order; None where they cannot.

    Rows above the last slice's first are forgotten. Whoever asks for them again has everything made anew from the top.
    Slices are for one thread at a time; each iterator makes the rows for itself.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: Any, make: Callable[[], Iterator[np.ndarray]], box: Box | None = None
    ) -> None:
        self.shape, self.dtype, self._make, self.box = shape, np.dtype(dtype), make, box
        self._kept = np.empty((0, *shape[1:]), self.dtype)
        self._first = 0  # row of the picture that the first kept one is
        self._made: Iterator[np.ndarray] | None = None

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.shape)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return some rows, which follow one another; ValueError where fewer are made than the shape says."""
        first, end, step = rows.indices(self.shape[0])
        if step != 1:
            raise ValueError("rows of strips are taken one after another")
        if self._made is None or first < self._first:
            self._made, self._kept, self._first = self._make(), self._kept[:0], 0
        parts, there = [self._kept], self._first + len(self._kept)
        while there < end:
            try:
                part = next(self._made, None)
                if part is None:
                    raise ValueError(f"the picture ends after {there} of {self.shape[0]} rows")
            except BaseException:
                self._made = None  # what raised once would only end, where it is asked again
                raise
            there += len(part)
            if there > first:
                parts.append(part)
            else:
                parts = [part[:0]]
        kept = parts[0] if len(parts) == 1 else np.concatenate(parts)
        drop = max(0, first - (there - len(kept)))
        self._kept, self._first = kept[drop:], there - len(kept) + drop
        return self._kept[first - self._first : end - self._first]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all rows as one array."""
        whole = np.empty(self.shape, self.dtype)
        for first, part in bands(self):
            whole[first : first + len(part)] = part
        return whole if dtype is None else whole.astype(dtype)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield all rows as they are made, in arrays (h, W, C)."""
        return self._make()

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Strips":
        """Return strips of what a function makes of an array of rows, each pixel for itself."""
        like = function(np.zeros((1, *self.shape[1:]), self.dtype))
        box = self.box and _then(self.box, function)
        return Strips((self.shape[0], *like.shape[1:]), like.dtype, lambda: map(function, self._make()), box)


SWAPPED, MIRRORED, UPSIDE_DOWN = {5, 6, 7, 8}, {2, 3, 6, 7}, {3, 4, 7, 8}
"""The EXIF orientations of which rows and columns are swapped, then left and right, then top and bottom."""

Pixels = np.ndarray | Strips
"""(H, W, C) of a picture, or (H, W) of its alpha."""


def mapped(pixels: Pixels, function: Callable[[np.ndarray], np.ndarray]) -> Pixels:
    """Return what a function makes of pixels, each for itself; strips stay strips."""
    return pixels.map(function) if isinstance(pixels, Strips) else function(pixels)


def split_alpha(samples: Pixels) -> tuple[Pixels, Pixels | None]:
    """Return (H, W, 1 to 4) as pixels and alpha, which is the last channel of 2 or 4; None where there is none."""
    if samples.shape[2] in (1, 3):
        return samples, None
    return mapped(samples, lambda part: part[..., :-1]), mapped(samples, lambda part: part[..., -1])


def _then(box: Box, function: Callable[[np.ndarray], np.ndarray]) -> Box:
    return lambda rows, columns: function(box(rows, columns))


def strips_of_boxes(shape: tuple[int, ...], dtype: Any, box: Box) -> Strips:
    """Return strips of a picture whose rectangles can be had in any order."""
    height, width, *others = shape
    band = max(1, BAND // math.prod((width, *others)))

    def make() -> Iterator[np.ndarray]:
        for first in range(0, height, band):
            yield box(slice(first, min(first + band, height)), slice(0, width))

    return Strips(shape, dtype, make, box)


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation, 1 to 8; strips stay strips where their rectangles can be had in any order."""
    if not isinstance(pixels, Strips) or pixels.box is None:
        return _turned(np.asarray(pixels), orientation)
    given, (height, width) = pixels.box, pixels.shape[:2]
    if orientation in SWAPPED:
        height, width = width, height

    def box(rows: slice, columns: slice) -> np.ndarray:
        if orientation in UPSIDE_DOWN:
            rows = slice(height - rows.stop, height - rows.start)
        if orientation in MIRRORED:
            columns = slice(width - columns.stop, width - columns.start)
        part = given(columns, rows) if orientation in SWAPPED else given(rows, columns)
        return np.ascontiguousarray(_turned(part, orientation))

    return strips_of_boxes((height, width, *pixels.shape[2:]), pixels.dtype, box)


def _turned(array: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in SWAPPED:
        array = array.swapaxes(0, 1)
    if orientation in MIRRORED:
        array = array[:, ::-1]
    if orientation in UPSIDE_DOWN:
        array = array[::-1]
    return array


def cropped(pixels: Pixels, rows: slice, columns: slice) -> Pixels:
    """Return a part of pixels, whose slices have a start and an end inside; strips stay strips."""
    if not isinstance(pixels, Strips):
        return pixels[rows, columns]

    def make() -> Iterator[np.ndarray]:
        first = 0
        for part in pixels:
            shown = part[max(0, rows.start - first) : max(0, rows.stop - first), columns]
            first += len(part)
            if len(shown):
                yield shown
            if first >= rows.stop:
                return

    size = rows.stop - rows.start, columns.stop - columns.start
    return Strips((*size, *pixels.shape[2:]), pixels.dtype, make)


def bands(pixels: Pixels, rows: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (number of the first, rows) from top to bottom, `rows` at a time; 0 for as many as suit."""
    if isinstance(pixels, Strips) and not rows:
        first = 0
        for part in pixels:
            yield first, part
            first += len(part)
        return
    rows = rows or max(1, BAND // max(1, int(np.prod(pixels.shape[1:]))))
    for first in range(0, pixels.shape[0], rows):
        yield first, pixels[first : first + rows]
