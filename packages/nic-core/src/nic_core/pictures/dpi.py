"""Resolutions, as pixels per inch across and down. Imports neither numpy nor Pillow: `nic info` does without."""

import math
from typing import Any

_LEAST, _MOST = 0.1, 1e6


def sound_dpi(across: Any, down: Any) -> tuple[float, float] | None:
    """Return pixels per inch as numbers; None where they are none that a picture can have."""
    try:
        dpi = float(across), float(down)
    except (TypeError, ValueError, ArithmeticError):  # rational numbers may have a denominator of zero
        return None
    return dpi if all(_LEAST <= value <= _MOST for value in dpi) else None


def same_dpi(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    """Return whether two resolutions are the same, but for what a 32-bit number cannot tell."""
    if one is None or other is None:
        return one is other
    return all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(one, other, strict=True))
