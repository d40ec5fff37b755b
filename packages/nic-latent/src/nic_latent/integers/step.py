"""What a net consists of."""

from dataclasses import dataclass

from nic_latent.integers.layers import Layer


@dataclass(frozen=True)
class Step:
    """One layer of a net.

    inputs: numbers of values, those of the net first, then what each step made. grid: where what it makes lies.
    """

    layer: Layer
    inputs: tuple[int, ...]
    grid: int
