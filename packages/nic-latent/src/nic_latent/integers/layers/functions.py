"""Functions by table as layers (docs/determinism.md, "Functions by table"). grid: where the input lies."""

from dataclasses import dataclass

import numpy as np

from nic_latent.integers.arithmetic import aligned, saturated
from nic_latent.integers.functions import VALUE_GRID, argument, looked_up
from nic_latent.integers.strips import by_strips


@dataclass(frozen=True)
class Function:
    """What they have in common: they see magnitudes, and say what becomes of the sign. grid: 0 to 30."""

    grid: int

    def __post_init__(self) -> None:
        """Check the grid."""
        if not 0 <= self.grid <= 30:
            raise ValueError("its grid is out of range")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run the layer."""
        return by_strips(lambda part: self.of(part.astype(np.int64), argument(np.abs(part), self.grid)), x)

    def of(self, x: np.ndarray, arguments: np.ndarray) -> np.ndarray:
        """Return the function of int64 inputs, whose magnitudes are given as arguments too."""
        raise NotImplementedError


@dataclass(frozen=True)
class Gelu(Function):
    """x times the normal distribution's cumulative function, on the input's grid; exactly x or 0 from +-16 on."""

    def of(self, x: np.ndarray, arguments: np.ndarray) -> np.ndarray:
        """See `Function.of`."""
        return saturated(np.maximum(x, 0) - aligned(looked_up("gelu", arguments), VALUE_GRID - self.grid))


@dataclass(frozen=True)
class Sigmoid(Function):
    """1 / (1 + exp(-x)) on grid 24."""

    def of(self, x: np.ndarray, arguments: np.ndarray) -> np.ndarray:
        """See `Function.of`."""
        below = looked_up("sigmoid", arguments)
        return np.where(x < 0, below, (1 << VALUE_GRID) - below).astype(np.int32)


@dataclass(frozen=True)
class Tanh(Function):
    """The hyperbolic tangent on grid 24."""

    def of(self, x: np.ndarray, arguments: np.ndarray) -> np.ndarray:
        """See `Function.of`."""
        above = looked_up("tanh", arguments)
        return np.where(x < 0, -above, above).astype(np.int32)
