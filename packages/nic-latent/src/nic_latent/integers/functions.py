"""Functions by table (docs/determinism.md, "Functions by table"), the same numbers on every machine.

functions.npy holds the tables, made by make_functions.py; they are part of the definition.
"""

from pathlib import Path

import numpy as np

from nic_latent.integers.arithmetic import aligned

NAMES = ("gelu", "sigmoid", "tanh", "exp")
END = 16
"""Tables go from 0 to END in steps of 2**-8."""
ARGUMENT_GRID, VALUE_GRID = 20, 24
"""Where arguments and values lie."""
PLACES = 12
"""Bits of an argument below the tables' step."""

TABLES: dict[str, np.ndarray] = dict(
    zip(NAMES, np.load(Path(__file__).with_name("functions.npy")).astype(np.int64), strict=True)
)


def argument(magnitudes: np.ndarray, grid: int) -> np.ndarray:
    """Return int64 magnitudes below 2**32 on a grid as arguments of `looked_up`."""
    return aligned(magnitudes, grid - ARGUMENT_GRID)


def looked_up(name: str, arguments: np.ndarray) -> np.ndarray:
    """Return int64 values of a table at int64 arguments from 0, interpolated linearly; beyond END its last entry."""
    table = TABLES[name]
    arguments = np.minimum(arguments, END << ARGUMENT_GRID)
    index = np.minimum(arguments >> PLACES, len(table) - 2)
    below, fraction = table[index], arguments - (index << PLACES)
    return below + (((table[index + 1] - below) * fraction + (1 << PLACES - 1)) >> PLACES)
