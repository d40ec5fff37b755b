"""Integer nets: layers in a row or a graph, from fixed-point values to one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nic_latent.fixed import Fixed
from nic_latent.layers import Layer


@dataclass(frozen=True)
class Step:
    """One layer of a net.

    inputs: numbers of values, those of the net first, then what each step made. grid: where what it makes lies.
    """

    layer: Layer
    inputs: tuple[int, ...]
    grid: int


@dataclass(frozen=True)
class Net:
    """A net. input_grids: what its inputs must lie on; its output is that of its last step."""

    input_grids: tuple[int, ...]
    steps: tuple[Step, ...]

    def __call__(self, *inputs: Fixed) -> Fixed:
        """Run the net; ValueError for inputs on other grids than those that it was made for."""
        if tuple(value.grid for value in inputs) != self.input_grids:
            raise ValueError("a net is called with values on other grids than those that it was made for")
        last = {number: index for index, step in enumerate(self.steps) for number in step.inputs}
        values: list[np.ndarray | None] = [value.values for value in inputs]
        for index, step in enumerate(self.steps):
            values.append(step.layer(*(values[number] for number in step.inputs)))  # type: ignore[arg-type]
            for number in step.inputs:
                if last[number] == index:
                    values[number] = None  # what no later step needs leaves memory
        assert values[-1] is not None
        return Fixed(values[-1], self.steps[-1].grid)


@dataclass(frozen=True)
class NetTable:
    """Nets by name, as an order calls them."""

    nets: Mapping[str, Net]

    def __call__(self, name: str, *inputs: Fixed) -> Fixed:
        """Run a net."""
        return self.nets[name](*inputs)
