"""Layers that move values and compute nothing (docs/determinism.md, "Values one by one")."""

from dataclasses import dataclass

import numpy as np

from nic_latent.integers.arithmetic import rescaled


@dataclass(frozen=True)
class Shuffle:
    """Channels to positions: channel (c, i, j) of C x factor x factor goes to row i and column j of its position."""

    factor: int

    def __post_init__(self) -> None:
        """Check the factor."""
        if not 1 <= self.factor <= 64:
            raise ValueError("its factor is out of range")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run the layer."""
        count, height, width, channels = x.shape
        side = self.factor
        split = x.reshape(count, height, width, channels // side**2, side, side).transpose(0, 1, 4, 2, 5, 3)
        return split.reshape(count, height * side, width * side, -1)


@dataclass(frozen=True)
class Take:
    """The channels from start to stop - 1."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        """Check the range."""
        if not 0 <= self.start < self.stop:
            raise ValueError("it takes no channels")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run the layer."""
        return np.ascontiguousarray(x[..., self.start : self.stop])


@dataclass(frozen=True)
class Join:
    """Values one after another along the channels.

    shifts: for each input, the bits by which it is rounded to the output's grid, or shifted left where negative;
    saturated.
    """

    shifts: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the shifts."""
        if min(self.shifts) < -30 or max(self.shifts) > 62:
            raise ValueError("its shifts are out of range")

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """Run the layer."""
        return np.concatenate([rescaled(x, bits) for x, bits in zip(inputs, self.shifts, strict=True)], -1)


@dataclass(frozen=True)
class Colour:
    """One colour of a checkerboard: the positions with (row + column) % 2 == parity, 0 or 1."""

    parity: int

    def __post_init__(self) -> None:
        """Check the parity."""
        if self.parity not in (0, 1):
            raise ValueError("its parity is neither 0 nor 1")


@dataclass(frozen=True)
class Pack(Colour):
    """The positions of a colour, (N, h, w, C) to (N, h, w / 2, C): even rows above odd ones; h and w are even."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run the layer."""
        if x.shape[1] % 2 or x.shape[2] % 2:
            raise ValueError("a checkerboard has even sides")
        return np.concatenate([x[:, ::2, self.parity :: 2], x[:, 1::2, 1 - self.parity :: 2]], 1)


@dataclass(frozen=True)
class Unpack(Colour):
    """What `Pack` packed, (N, h, w / 2, C) to (N, h, w, C), with zeros at the other colour."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run the layer."""
        count, height, width, channels = x.shape
        whole = np.zeros((count, height, 2 * width, channels), np.int32)
        whole[:, ::2, self.parity :: 2], whole[:, 1::2, 1 - self.parity :: 2] = np.split(x, 2, 1)
        return whole
