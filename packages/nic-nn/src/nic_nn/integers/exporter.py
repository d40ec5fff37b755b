"""Runs a model's context over calibration pictures and makes every net that it calls."""

from dataclasses import dataclass, field

from nic_latent.integers.fixed import Fixed
from nic_latent.integers.nets import Net
from torch import nn

from nic_nn.integers.builder import Builder
from nic_nn.integers.draft import Widths


@dataclass
class Exporter:
    """Nets for a context, made from a model's modules when they are first called."""

    model: nn.Module
    widths: Widths = field(default_factory=Widths)
    nets: dict[str, Net] = field(default_factory=dict)

    def __call__(self, name: str, *inputs: Fixed, parity: int | None = None) -> Fixed:
        """Make a net, or run it if it is made: at all positions, that all of them choose the ranges."""
        if name in self.nets:
            return self.nets[name](*inputs)
        builder = Builder(self.widths, inputs)
        made = builder.emit(self.model.get_submodule(name), tuple(range(len(inputs))), name)
        self.nets[name] = builder.net()
        return builder.values[made]
