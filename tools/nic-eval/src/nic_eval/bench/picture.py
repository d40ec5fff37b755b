"""The picture that benchmarks code where they are given none: the same pixels on every machine."""

import re

import numpy as np
from nic_core.errors import BadOption

SMALLEST, LARGEST = 4, 160
"""Radii of discs, in pixels."""
CELL = 512
"""Pixels of the picture for each disc."""
MOST = 1 << 14
"""Pixels a side."""


def sides(text: str) -> tuple[int, int]:
    """Return width and height of "768x512"; BadOption for what is none."""
    found = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text)
    width, height = map(int, found.groups()) if found else (0, 0)
    if not (1 <= width <= MOST and 1 <= height <= MOST):
        raise BadOption(f"a size is WIDTHxHEIGHT, 1 to {MOST} pixels each, such as 768x512, not {text[:80]!r}")
    return width, height


def leaves(width: int, height: int) -> np.ndarray:
    """Return uint8 (height, width, 3): discs of all sizes, one upon another, with some grain.

    Such pictures have edges, areas and details at all scales as photographs do (the "dead leaves" model: Lee, Mumford
    and Huang, 2001), so that trained codecs spend about as many bits on them.
    """
    generator = np.random.default_rng(0)
    pixels = np.full((height, width, 3), 128, np.int16)
    count = max(16, width * height // CELL)
    # Numbers of discs fall with the cube of their radius, between the two ends.
    share = generator.random(count)
    radii = (SMALLEST**-2 - share * (SMALLEST**-2 - LARGEST**-2)) ** -0.5
    for radius in radii.astype(int):
        x, y = generator.integers(0, width), generator.integers(0, height)
        colour = generator.integers(20, 236) + generator.integers(-40, 41, 3)
        top, left = max(0, y - radius), max(0, x - radius)
        part = pixels[top : y + radius + 1, left : x + radius + 1]
        rows, columns = np.ogrid[top - y : top - y + part.shape[0], left - x : left - x + part.shape[1]]
        part[rows**2 + columns**2 <= radius**2] = colour
    pixels += generator.integers(-3, 4, (height, width, 1), np.int16)
    return np.clip(pixels, 0, 255).astype(np.uint8)
