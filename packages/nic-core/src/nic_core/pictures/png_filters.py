"""The filters of PNG's rows, undone and applied.

A filter predicts each byte from bytes at the same place of a pixel: on the left, above, and above on the left. So the
first bytes of all pixels are a picture by themselves, filtered as 8-bit gray is, and so are the second bytes and all
others. Pillow, which holds no 16-bit RGB, undoes the filters of such pictures; along a row that is a loop, which numpy
would take a step of Python for each byte for.
"""

import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

_BAND = 1 << 20  # bytes that are worked on at a time: enough for numpy, and few enough for a processor's cache


def undone(filtered: np.ndarray, step: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (number of the first, rows without filter) of a picture's rows, some at a time.

    filtered: uint8 (H, 1 + N), each row's filter first. step: bytes from one pixel to the next, by which N is
    divisible. The yielded rows are uint8 (h, N). ValueError for a filter that does not exist.
    """
    width = (filtered.shape[1] - 1) // step
    above = np.zeros((step, width), np.uint8)
    for start, part in _bands(filtered):
        count = 1 + len(part)
        split = np.zeros((step, count, 1 + width), np.uint8)  # one picture below the other, each below `above`
        split[:, 0, 1:] = above
        split[:, 1:, 0] = part[:, 0]
        split[:, 1:, 1:] = part[:, 1:].reshape(-1, width, step).transpose(2, 0, 1)
        image = Image.frombytes("L", (width, step * count), zlib.compress(split.data, 0), "zip", "L", 0)
        plain = np.asarray(image).reshape(step, count, width)[:, 1:]
        above = plain[:, -1]
        yield start, np.ascontiguousarray(plain.transpose(1, 2, 0)).reshape(len(part), -1)


def applied(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Yield a picture's rows with their filters, uint8 (h, 1 + N), some at a time; the reverse of `undone`.

    pixels: uint8 or uint16 (H, W, C). Each row gets the filter after which its bytes, with a sign, are the smallest in
    sum, as the specification advises (PNG, third edition, section 12.7).
    """
    step = pixels.shape[2] * pixels.itemsize
    above = np.zeros((1, pixels.shape[1] * step), np.uint8)
    for _, part in _bands(pixels):
        rows = part.astype(part.dtype.newbyteorder(">"), order="C").reshape(len(part), -1).view(np.uint8)
        filtered = _filtered(rows, np.concatenate([above, rows[:-1]]), step)
        costs = np.abs(filtered.view(np.int8)).view(np.uint8).sum(axis=2, dtype=np.uint64)
        best = costs.argmin(axis=0)
        chosen = filtered[best, np.arange(len(rows))]
        above = rows[-1:]
        yield np.concatenate([best[:, None].astype(np.uint8), chosen], axis=1)


def _bands(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (number of the first, rows) of an array, as many at a time as fit a band."""
    count = max(1, _BAND // rows[0].nbytes)
    for start in range(0, len(rows), count):
        yield start, rows[start : start + count]


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
