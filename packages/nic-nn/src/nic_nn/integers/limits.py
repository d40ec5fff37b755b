"""How often integer nets meet what is beyond the bits that calibration gave them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from nic_latent.coding import LATENT_GRID, Round
from nic_latent.entropy_model import HYPER_SYNTHESIS, EntropyModel
from nic_latent.integers.arithmetic import INT32, rounded_shift
from nic_latent.integers.executor import run
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.layers import Layer, WindowAttention
from nic_latent.orders.context import drive


@dataclass
class Limited:
    """Runs an entropy model's nets and counts the values that its layers limit, which are the narrowed and the made.

    values: how many there were. beyond: how many of them were limited.
    """

    model: EntropyModel
    values: int = 0
    beyond: int = 0

    def __call__(self, name: str, *inputs: Fixed, parity: int | None = None) -> Fixed:
        """Run a net, as `NetTable` does, at all positions."""
        net = self.model.nets[name]
        made = [value.values for value in inputs]
        for step in net.steps:
            taken = [made[number] for number in step.inputs]
            for values, bits, largest in narrowings(step.layer, taken):
                self._count(np.abs(rounded_shift(values.astype(np.int64), bits)) > largest)
            made.append(run(step.layer, *taken))
            self._count(np.abs(made[-1]) == INT32)
        return Fixed(made[-1], net.steps[-1].grid)

    def _count(self, beyond: np.ndarray) -> None:
        self.values += beyond.size
        self.beyond += int(beyond.sum())


def narrowings(layer: Layer, inputs: list[np.ndarray]) -> Iterator[tuple[np.ndarray, int, int]]:
    """Yield what a layer narrows: values, by how many bits, and to how much."""
    if isinstance(layer, WindowAttention):  # queries, keys and values are one input
        inputs = np.split(inputs[0], 3, -1)
    narrow = getattr(layer, "narrow", ())
    for values, bits in zip(inputs, (narrow,) if isinstance(narrow, int) else narrow, strict=False):
        yield values, bits, layer.largest  # type: ignore[union-attr]  # what narrows has it


def limited(model: EntropyModel, y: np.ndarray, z: np.ndarray) -> Limited:
    """Return the counts for latents (N, h, w, C)."""
    counts = Limited(model)
    hyper = counts(HYPER_SYNTHESIS, model.z_hat(model.z_symbols(z)))
    drive(model.order(counts, hyper), Round(Fixed.of(y, LATENT_GRID)))
    return counts
