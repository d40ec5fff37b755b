"""Writes the tables of functions into the package: `python make_functions.py`; needs nothing but numpy.

What it writes is part of the definition of the format: other tables would decode no file that exists.
"""

from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np

ENTRIES, STEPS, GRID = 4097, 256, 24
"""Each table holds a function at 0, 1 / STEPS ... 16, times 2**GRID and rounded to the nearest integer."""
FILE = Path(__file__).parent / "src/nic_latent/integers/functions.npy"
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")


def upper_tail(t: Decimal) -> Decimal:
    """Return the probability that a standard normal variable is above t."""
    # 1/2 - phi(t) (t + t^3 / 3 + t^5 / (3 5) + ...)
    term = total = t
    divisor = 1
    while term > Decimal("1e-60"):
        divisor += 2
        term = term * t * t / divisor
        total += term
    return Decimal("0.5") - (-t * t / 2).exp() / (2 * PI).sqrt() * total


def values(t: Decimal) -> tuple[Decimal, ...]:
    """Return relu(t) - gelu(t), sigmoid(-t), tanh(t) and exp(-t)."""
    small = (-t).exp()
    square = small * small
    return t * upper_tail(t), small / (1 + small), (1 - square) / (1 + square), small


def tables() -> np.ndarray:
    """Return int32 (4, ENTRIES): gelu, sigmoid, tanh and exp."""
    with localcontext() as context:
        context.prec = 60
        rows = [values(Decimal(i) / STEPS) for i in range(ENTRIES)]
        return np.array([[int((value * 2**GRID).to_integral_value()) for value in row] for row in rows], "<i4").T


if __name__ == "__main__":
    np.save(FILE, np.ascontiguousarray(tables()))
