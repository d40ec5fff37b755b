"""The way back: a model's parameters as the integers of its nets state them.

Which entry of which array a parameter became is found by building the nets over parameters that are numbered: their
emitters move and select what they are given, and what comes out tells where it came from.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from nic_latent.coding import LATENT_GRID, Round
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.layers.norms import NORMAL_GRID
from nic_latent.integers.nets import Net
from nic_latent.orders.context import drive
from torch import nn

from nic_nn.integers.builder import Builder
from nic_nn.integers.draft import Widths

FIRST = 1 << 20
"""The number of the first entry; what is smaller in an array of numbers is a constant and no parameter."""
SIDE = 2
"""Of the maps that nets are built over: they need sizes, but nobody looks at their values."""


@dataclass(frozen=True)
class Source:
    """Where the arrays of one step come from. kind: the method of `Draft` that appended it.

    weight, bias: numbers of entries, shaped as they were given. gain: see `Draft.products`.
    channels: of each input. transposed: whether the weight's first two axes are swapped.
    """

    kind: str
    weight: np.ndarray
    bias: np.ndarray | None
    gain: np.ndarray | None = None
    channels: tuple[int, ...] = ()
    transposed: bool = False


@dataclass
class Numbered(Builder):
    """Builds a net of zeros and remembers what its steps were given. sources: by step."""

    sources: dict[int, Source] = field(default_factory=dict)

    def products(self, weight: np.ndarray, bias: Any, inputs: Any, transposed: bool = False, **how: Any) -> int:
        """See `Draft.products`."""
        gain = how.pop("gain", None)
        channels = tuple(self.values[number].values.shape[-1] for number in inputs)
        self.sources[len(self.steps)] = Source("products", weight, bias, gain, channels, transposed)
        return super().products(np.zeros_like(weight), None, inputs, transposed, **how)

    def affine(self, number: int, weight: np.ndarray, bias: np.ndarray | None = None) -> int:
        """See `Draft.affine`."""
        self.sources[len(self.steps)] = Source("affine", weight, bias)
        return super().affine(number, np.zeros_like(weight))

    def norm(self, number: int, weight: np.ndarray, bias: np.ndarray, epsilon: float) -> int:
        """See `Draft.norm`."""
        self.sources[len(self.steps)] = Source("norm", weight, bias)
        return super().norm(number, np.zeros_like(weight), np.zeros_like(bias), epsilon)


@dataclass
class Sources:
    """Nets for an order that builds all of them over numbers. found: by net and step."""

    model: nn.Module
    found: dict[str, dict[int, Source]] = field(default_factory=dict)

    def __call__(self, name: str, *inputs: Fixed, parity: int | None = None) -> Fixed:
        """Build a net."""
        builder = Numbered(Widths(), tuple(Fixed(value.values, 0) for value in inputs))
        made = builder.emit(self.model.get_submodule(name), tuple(range(len(inputs))), name)
        self.found[name] = builder.sources
        return Fixed(builder.values[made].values, 0)


def numbered(model: Any) -> tuple[nn.Module, dict[str, range]]:
    """Return a model whose parameters count their entries, and the numbers of each parameter."""
    model = copy.deepcopy(model).cpu().double()
    first, ranges = FIRST, {}
    for name, parameter in model.named_parameters():
        numbers = range(first, first + parameter.numel())
        parameter.data = torch.arange(numbers.start, numbers.stop, dtype=torch.float64).reshape(parameter.shape)
        ranges[name], first = numbers, numbers.stop
    return model, ranges


def sources_of(model: Any) -> tuple[Sources, dict[str, range]]:
    """Return where the arrays of a latent model's nets come from, and the numbers of its parameters."""
    counted, ranges = numbered(model)
    nets = Sources(counted)
    z_hat = Fixed(np.zeros((1, SIDE, SIDE, model.channels[1]), np.int32), 0)
    side = SIDE * (model.stride // model.y_stride)
    y = Fixed(np.zeros((1, side, side, model.channels[0]), np.int32), LATENT_GRID)
    drive(model.order(nets, nets("h_s", z_hat)), Round(y))
    return nets, ranges


def covered(model: Any) -> list[str]:
    """Return the names of the parameters that are in the integer nets as a whole."""
    nets, ranges = sources_of(model)
    entries = {int(number) for steps in nets.found.values() for s in steps.values() for number in numbers_in(s)}
    return [name for name, numbers in ranges.items() if numbers and entries.issuperset(numbers)]


def numbers_in(source: Source) -> np.ndarray:
    """Return the numbers of all entries that a step holds."""
    parts = [source.weight.reshape(-1), *([] if source.bias is None else [source.bias.reshape(-1)])]
    numbers = np.concatenate(parts)
    return numbers[numbers >= FIRST].astype(np.int64)


def parameters_of(model: Any, nets: Mapping[str, Net]) -> dict[str, torch.Tensor]:
    """Return the parameters of a model, by name, that its integer nets state as a whole, in float32."""
    found, ranges = sources_of(model)
    stated = np.full(max(numbers.stop for numbers in ranges.values()), np.nan)
    for name, sources in found.found.items():
        for number, source in sources.items():
            for at, values in stated_by(nets[name], number, source):
                known = at >= FIRST
                stated[at[known].astype(np.int64)] = values[known]
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    return {
        name: torch.from_numpy(stated[numbers.start : numbers.stop].astype(np.float32)).reshape(shapes[name])
        for name, numbers in ranges.items()
        if numbers and not np.isnan(stated[numbers.start : numbers.stop]).any()
    }


def stated_by(net: Net, number: int, source: Source) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return numbers of entries and what a step's arrays say that they are, in float64."""
    step = net.steps[number]
    layer: Any = step.layer
    grids = [*net.input_grids, *(before.grid for before in net.steps)]
    bias = source.bias
    if source.kind == "products":
        inputs = [grids[index] - bits for index, bits in zip(step.inputs, layer.narrow, strict=True)]
        steps = layer.shift - min(inputs) + step.grid
        finer = np.repeat(min(inputs) - np.array(inputs), source.channels)
        by_output = steps.reshape((-1, 1, 1) if source.transposed else (-1, 1, 1, 1))
        by_input = (
            0
            if layer.weight.shape[0 if source.transposed else 1] != len(finer)
            else finer.reshape((-1, 1, 1, 1) if source.transposed else (-1, 1, 1))
        )
        weight = np.ldexp(layer.weight.astype(np.float64), -by_output - by_input)
        offset = np.ldexp(layer.bias.astype(np.float64), -(steps + min(inputs)))
        if source.gain is not None:
            weight, offset = weight / source.gain[:, None, None, None], offset / source.gain
        return [(source.weight, weight), *([] if bias is None else [(bias, offset)])]
    if source.kind == "affine":
        weight, steps = layer.weight, layer.shift + step.grid - grids[step.inputs[0]]
    else:
        weight, steps = layer.gain, layer.shift + step.grid - NORMAL_GRID
    scaled = np.ldexp(weight.astype(np.float64), -steps)
    offset = np.ldexp(layer.bias.astype(np.float64), -layer.shift - step.grid)
    return [(source.weight, scaled), *([] if bias is None else [(bias, offset)])]
