"""Pictures at a half, a quarter or an eighth of their size, from rows as they come."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from nic_core.errors import BadOption
from nic_core.pictures.strips import Pixels, Strips, bands

SCALES = {"1": 1, "1/2": 2, "1/4": 4, "1/8": 8}
"""What sides can be multiplied by, and what they are divided by then."""
ROWS = 64
"""Of the small picture, that are made at a time."""


def divisor(scale: float | str) -> int:
    """Return what a scale, 1, 0.5, 0.25 or 0.125 or the fraction as text, divides sides by; BadOption for others."""
    try:
        return SCALES[str(Fraction(scale))]
    except (KeyError, ValueError, OverflowError, TypeError, ZeroDivisionError) as error:
        raise BadOption(f"the scale is one of {', '.join(SCALES)}, not {str(scale)[:40]}") from error


def reduced(pixels: Pixels, by: int) -> Pixels:
    """Return pixels (H, W) or (H, W, C) with sides `by` times smaller, rounded up: means of squares of pixels."""
    if by == 1:
        return pixels
    shape = (-(-pixels.shape[0] // by), -(-pixels.shape[1] // by), *pixels.shape[2:])

    def make() -> Iterator[np.ndarray]:
        for _, part in bands(pixels, ROWS * by):
            yield _means(part, by)

    return Strips(shape, pixels.dtype, make)


def _means(part: np.ndarray, by: int) -> np.ndarray:
    sums = part.astype(np.uint32)
    for axis in (0, 1):
        sums = np.add.reduceat(sums, np.arange(0, sums.shape[axis], by), axis)
    heights, widths = (np.minimum(by, side - np.arange(0, side, by)) for side in part.shape[:2])
    counts = (heights[:, None] * widths).reshape(*sums.shape[:2], *[1] * (part.ndim - 2))
    return ((sums + counts // 2) // counts).astype(part.dtype)
