"""Integer nets: layers in a row or a graph, from fixed-point values to one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from nic_core import progress

from nic_latent.integers.colours import at_colour, looks_at_one_position
from nic_latent.integers.edges import NO_EDGES, Edges
from nic_latent.integers.executor import Part, in_c, parts_of
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.step import Step


@dataclass(frozen=True)
class Net:
    """A net. input_grids: what its inputs must lie on; its output is that of its last step."""

    input_grids: tuple[int, ...]
    steps: tuple[Step, ...]

    def __call__(self, *inputs: Fixed) -> Fixed:
        """Run the net; ValueError for inputs on other grids than those that it was made for."""
        if tuple(value.grid for value in inputs) != self.input_grids:
            raise ValueError("a net is called with values on other grids than those that it was made for")
        parts = self._compiled if in_c() else self._parts()
        last = {number: index for index, part in enumerate(parts) for number in part.inputs}
        values = {number: value.values for number, value in enumerate(inputs)}
        for index, part in enumerate(parts):
            progress.check()
            values[part.made] = part.run(*(values[number] for number in part.inputs))
            for number in part.inputs:
                if last[number] == index:
                    values.pop(number, None)  # what no later part needs leaves memory
        return Fixed(values[parts[-1].made], self.steps[-1].grid)

    def _parts(self) -> tuple[Part, ...]:
        return parts_of(len(self.input_grids), [(step.layer, step.inputs) for step in self.steps])

    @cached_property
    def colours(self) -> tuple["Net", "Net"]:
        """This net at one colour of a checkerboard, 0 or 1, and zeros elsewhere; for inputs with even sides."""
        first, second = (Net(self.input_grids, at_colour(self.input_grids, self.steps, p)) for p in (0, 1))
        return first, second

    @cached_property
    def looks_around(self) -> bool:
        """Whether positions of the output depend on other positions of the inputs."""
        return not all(looks_at_one_position(step.layer) for step in self.steps)

    @cached_property
    def _compiled(self) -> tuple[Part, ...]:
        """Weights as C takes them."""
        return self._parts()


@dataclass(frozen=True)
class NetTable:
    """Nets by name, as an order calls them; edges: on which sides their inputs go on in other tiles."""

    nets: Mapping[str, Net]
    edges: Edges = NO_EDGES

    def __call__(self, name: str, *inputs: Fixed, parity: int | None = None) -> Fixed:
        """Run a net; parity: see `nic_latent.orders.context.Nets`."""
        net = self.nets[name]
        if parity is not None and not any(side % 2 for value in inputs for side in value.values.shape[1:3]):
            net = net.colours[parity]
        if not self.edges or not net.looks_around:
            return net(*inputs)
        extended = [self.edges.extended(value) for value in inputs]
        made = net(*extended)
        return self.edges.cut(made, made.values.shape[1] // extended[0].values.shape[1])
