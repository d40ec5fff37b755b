"""Large values in strips: what layers hold in between, in 64 bits, then stays small whatever the picture's size."""

from collections.abc import Callable

import numpy as np

ENTRIES = 1 << 18
"""Numbers of a strip, about; at 8 bytes each, a few arrays of them stay in a processor's cache."""


def by_strips(function: Callable[..., np.ndarray], *inputs: np.ndarray) -> np.ndarray:
    """Return function(*inputs) for a function of arrays (N, h, w, C) that treats every position alike.

    Arrays of one row serve every row, as (N, 1, 1, C) do.
    """
    height = max(x.shape[1] for x in inputs)
    rows = max(1, ENTRIES * height // max(1, *(x.size for x in inputs)))
    if rows >= height:
        return function(*inputs)
    strips = [
        function(*(x if x.shape[1] == 1 else x[:, start : start + rows] for x in inputs))
        for start in range(0, height, rows)
    ]
    return np.concatenate(strips, 1)
