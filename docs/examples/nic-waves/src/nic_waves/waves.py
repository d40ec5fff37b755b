"""The antidiagonals of a picture, in the order in which they are coded.

All neighbours above and to the left of a sample lie on earlier antidiagonals, and no sample needs another of its own.
So a whole antidiagonal can be predicted and decoded at once.
"""

from collections.abc import Iterator

import numpy as np

Wave = tuple[np.ndarray, np.ndarray]
"""Rows and columns of positions."""


def waves(height: int, width: int) -> Iterator[Wave]:
    """Yield the antidiagonals from the top left to the bottom right, each from its upper end."""
    for wave in range(height + width - 1):
        rows = np.arange(max(0, wave - width + 1), min(wave + 1, height))
        yield rows, wave - rows
