"""The filters of PNG's rows, undone and applied.

A filter predicts each byte from bytes at the same place of a pixel: on the left, above, and above on the left. So the
first bytes of all pixels are a picture by themselves, filtered as 8-bit gray is, and so are the second bytes and all
others. Pillow, which holds no 16-bit RGB, undoes the filters of such pictures, and of those of up to four bytes a pixel
as they are; along a row that is a loop, which numpy would take a step of Python for each byte for.
"""

import zlib
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

_BAND = 1 << 18  # bytes that are worked on at a time: enough for numpy, and few enough for a processor's cache
_MODES = ("L", "LA", "RGB", "RGBA")


def band(row: int) -> int:
    """Return how many rows of so many bytes to work on at a time."""
    return max(1, _BAND // row)


def undone(filtered: Iterable[np.ndarray], step: int) -> Iterator[np.ndarray]:
    """Yield a picture's rows without filter.

    filtered: rows from top to bottom, uint8 (h, 1 + N), each row's filter first. step: bytes from one pixel to the
    next, by which N is divisible. The yielded rows are uint8 (h, N). ValueError for a filter that does not exist.
    """
    planes, depth = (1, step) if step <= len(_MODES) else (step, 1)
    mode = _MODES[depth - 1]
    above: np.ndarray | int = 0
    for part in filtered:
        count, width = 1 + len(part), (part.shape[1] - 1) // step
        split = np.empty((planes, count, 1 + width * depth), np.uint8)  # one picture below the other
        split[:, 0, 0], split[:, 0, 1:] = 0, above  # each begins with the row above, which has no filter
        split[:, 1:, 0] = part[:, 0]
        split[:, 1:, 1:] = part[:, 1:].reshape(-1, width * depth, planes).transpose(2, 0, 1)
        size = width, planes * count
        image = Image.frombytes(mode, size, zlib.compress(split.data, 0), "zip", mode, 0)
        plain = np.asarray(image).reshape(planes, count, width * depth)[:, 1:]
        above = plain[:, -1]
        yield np.ascontiguousarray(plain.transpose(1, 2, 0)).reshape(len(part), -1)


def applied(rows: np.ndarray, above: np.ndarray | None) -> np.ndarray:
    """Return rows with their filters, uint8 (h, 1 + N); the reverse of `undone`.

    rows: uint8 or uint16 (h, W, C). above: the row above them, (W, C); None for the first of a picture. Each row gets
    the filter after which its bytes, with a sign, are the smallest in sum, as the specification advises (PNG, third
    edition, section 12.7).
    """
    step = rows.shape[2] * rows.itemsize
    plain = _bytes(rows)
    before = np.zeros_like(plain[:1]) if above is None else _bytes(above[None])
    filtered = _filtered(plain, np.concatenate([before, plain[:-1]]), step)
    costs = np.abs(filtered.view(np.int8)).view(np.uint8).sum(axis=2, dtype=np.uint64)
    best = costs.argmin(axis=0)
    chosen = filtered[best, np.arange(len(plain))]
    return np.concatenate([best[:, None].astype(np.uint8), chosen], axis=1)


def _bytes(rows: np.ndarray) -> np.ndarray:
    """Return samples (h, W, C) as PNG stores them, the first byte of each first: uint8 (h, N)."""
    return rows.astype(rows.dtype.newbyteorder(">"), order="C").reshape(len(rows), -1).view(np.uint8)


def _filtered(rows: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    """Return rows under each of the five filters: uint8 (5, h, N). above: the row above each."""
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], corner[:, step:] = rows[:, :-step], above[:, :-step]
    average = (left & above) + ((left ^ above) >> 1)  # rounded down, within 8 bits
    a, b, c = (part.astype(np.int16) for part in (left, above, corner))
    to_left, to_above, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest_of_two = np.where(to_above <= to_corner, above, corner)
    nearest = np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest_of_two)  # Paeth's
    return np.stack([rows, rows - left, rows - above, rows - average, rows - nearest])
