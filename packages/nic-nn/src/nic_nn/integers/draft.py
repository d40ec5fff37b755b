"""The net that a module becomes, layer after layer, while it runs on calibration values.

Grids are chosen from what the nets make of calibration pictures. They run over integers there too, each net on what the
integer nets before it made: so what a grid is chosen from is exact, and comes out the same wherever it is computed.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from nic_latent.integers.arithmetic import aligned
from nic_latent.integers.executor import run
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.layers import Add, Affine, Conv, Deconv, Join, Layer, Multiply, Norm, Take
from nic_latent.integers.layers.norms import NORMAL_GRID
from nic_latent.integers.nets import Net
from nic_latent.integers.step import Step
from torch import nn

FINEST = 24
HEADROOM = 28
"""Bits that the values of a layer take on calibration pictures at most, so that others' stay within 32."""
GAIN_BITS = 20
"""Bits of the largest gain of a layer that has one for each channel."""
NORM_BITS, NORM_MARGIN = 20, 4.0
"""Bits of what is normalised, and `Widths.margin` for it: bits cost nothing there, saturation would."""


@dataclass(frozen=True)
class Widths:
    """Bits of what products are made of, without signs.

    margin: how many times larger inputs may be than those of calibration before they are saturated.
    """

    weights: int = 12
    activations: int = 14
    margin: float = 2.0


def exponent(value: float) -> int:
    """Return the smallest e with value < 2**e; for zero, a very small one."""
    return math.frexp(value)[1] if value else -40


def array(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor's numbers in float64, exactly."""
    return tensor.detach().cpu().double().numpy()


@dataclass
class Draft:
    """A net in the making. Values are spoken of by their numbers: first the inputs, then what each step made.

    inputs: the calibration values that the net is called with, (N, h, w, C).

    Its methods append layers and return the number of what they made. ValueError where a layer cannot be exact.
    """

    widths: Widths
    inputs: tuple[Fixed, ...]
    steps: list[Step] = field(default_factory=list)
    values: list[Fixed] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Number the inputs."""
        self.values = list(self.inputs)

    def net(self) -> Net:
        """Return the net whose output is what was made last."""
        return Net(tuple(value.grid for value in self.inputs), tuple(self.steps))

    def emit(self, module: nn.Module, inputs: tuple[int, ...], name: str) -> int:
        """Append what computes a module, called with these values joined; see `Builder`."""
        raise NotImplementedError

    def add(self, layer: Layer, inputs: tuple[int, ...], grid: int) -> int:
        """Append a layer and run it; its output lies on `grid`."""
        self.steps.append(Step(layer, inputs, grid))
        self.values.append(Fixed(run(layer, *(self.values[number].values for number in inputs)), grid))
        return len(self.values) - 1

    def grid_of(self, most: float, finest: int) -> int:
        """Return the grid for numbers up to `most` on calibration pictures, `finest` or coarser."""
        return max(0, min(finest, HEADROOM - exponent(most), FINEST))

    def total(self, inputs: tuple[int, ...]) -> int:
        """Append the sum of values."""
        values = [self.values[number] for number in inputs]
        finest = max(value.grid for value in values)
        first, *others = (aligned(value.values, value.grid - finest) for value in values)
        for other in others:
            first = first + other
        grid = self.grid_of(np.ldexp(float(np.abs(first).max(initial=0)), -finest), finest)
        return self.add(Add(tuple(value.grid - grid for value in values)), inputs, grid)

    def product(self, first: int, second: int) -> int:
        """Append the product of two values."""
        x, y = self.values[first], self.values[second]
        finest = x.grid + y.grid
        most = np.abs(x.values.astype(np.float64) * y.values).max(initial=0)
        grid = self.grid_of(np.ldexp(most, -finest), finest)
        return self.add(Multiply(finest - grid), (first, second), grid)

    def affine(self, number: int, weight: np.ndarray, bias: np.ndarray | None = None) -> int:
        """Append value x weight + bias with float64 weights and biases (C,), one for each channel."""
        value = self.values[number]
        gains, finest = self._gains(weight, value.grid)
        biases = np.zeros(len(weight)) if bias is None else np.rint(np.ldexp(bias, finest))
        most = np.abs(value.values * gains.astype(np.float64) + biases).max(initial=0)
        grid = self.grid_of(np.ldexp(most, -finest), finest)
        return self.add(Affine(gains, biases.astype(np.int64), finest - grid), (number,), grid)

    def _gains(self, weight: np.ndarray, grid: int) -> tuple[np.ndarray, int]:
        """Return int32 weights for values on a grid, and the grid of their products."""
        steps = min(GAIN_BITS - exponent(np.abs(weight).max()), 30)
        return np.rint(np.ldexp(weight, steps)).astype(np.int32), grid + steps

    def take(self, number: int, start: int, stop: int) -> int:
        """Append channels of a value."""
        return self.add(Take(start, stop), (number,), self.values[number].grid)

    def joined(self, inputs: tuple[int, ...]) -> int:
        """Return the number of values joined along the channels; nothing is appended for one value."""
        if len(inputs) == 1:
            return inputs[0]
        values = [self.values[number] for number in inputs]
        most = max(np.ldexp(float(np.abs(value.values).max(initial=0)), -value.grid) for value in values)
        grid = self.grid_of(most, max(value.grid for value in values))
        return self.add(Join(tuple(value.grid - grid for value in values)), inputs, grid)

    def norm(self, number: int, weight: np.ndarray, bias: np.ndarray, epsilon: float) -> int:
        """Append a normalisation over the channels, with float64 gains and biases (C,)."""
        channels = len(weight)
        bits = min(NORM_BITS, 30 - (channels - 1).bit_length())
        narrow, grid = self.narrowing(number, bits, NORM_MARGIN)
        gains, finest = self._gains(weight, NORMAL_GRID)
        # No normalised value is above sqrt(C): the output's grid needs no calibration.
        most = math.sqrt(channels) * np.abs(weight).max() + np.abs(bias).max()
        out = max(0, min(finest, 31 - exponent(most), FINEST))
        layer = Norm(
            narrow,
            (1 << bits) - 1,
            max(1, round(math.ldexp(epsilon * channels**2, 2 * grid))),
            gains,
            np.rint(np.ldexp(bias, finest)).astype(np.int64),
            finest - out,
        )
        return self.add(layer, (number,), out)

    def narrowing(self, number: int, bits: int | None = None, margin: float | None = None) -> tuple[int, int]:
        """Return by how many bits a value is rounded before it is multiplied, and the grid that it then lies on.

        bits, margin: those of `Widths` unless given.
        """
        value = self.values[number]
        return self.narrowing_of(value.values, value.grid, bits, margin)

    def narrowing_of(
        self, values: np.ndarray, grid: int, bits: int | None = None, margin: float | None = None
    ) -> tuple[int, int]:
        """Return the same for some values on a grid."""
        most = int(np.abs(values).max(initial=0) * (margin or self.widths.margin))
        narrow = max(0, most.bit_length() - (bits or self.widths.activations))
        return narrow, grid - narrow

    def products(
        self,
        weight: np.ndarray,
        bias: np.ndarray | None,
        inputs: tuple[int, ...],
        transposed: bool = False,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        gain: np.ndarray | None = None,
    ) -> int:
        """Append a layer of products.

        weight: (outputs, inputs / groups, k, k), or (inputs, outputs, k, k) where it is transposed.
        gain: factors on the outputs (outputs,), None for 1; not where it is transposed.
        """
        if gain is not None:
            weight, bias = weight * gain[:, None, None, None], None if bias is None else bias * gain
        narrow, grids = zip(*map(self.narrowing, inputs), strict=True)
        reference = min(grids)
        outputs_axis = 1 if transposed else 0
        channels = [self.values[number].values.shape[-1] for number in inputs]
        # Inputs on finer grids have smaller weights, so that all products lie on one grid.
        finer = np.repeat(reference - np.array(grids), channels)
        if groups == 1:
            weight = np.ldexp(weight, finer.reshape(-1, 1, 1, 1) if transposed else finer.reshape(-1, 1, 1))
        elif finer.any():
            raise ValueError("a convolution in groups takes inputs on one grid only")
        by_output = np.abs(weight).max(tuple({0, 1, 2, 3} - {outputs_axis}))
        # ... and need as many bits more.
        bits = min(self.widths.weights - int(finer.min(initial=0)), 15)
        steps = np.array([self.weight_steps(most, bits) for most in by_output])
        whole = np.rint(np.ldexp(weight, steps.reshape(-1, 1, 1) if transposed else steps.reshape(-1, 1, 1, 1)))
        whole_bias = np.zeros(len(steps)) if bias is None else np.rint(np.ldexp(bias, steps + reference))

        def layer(grid: int) -> Conv | Deconv:
            kind = Deconv if transposed else Conv
            extra = {} if transposed else {"groups": groups}
            return kind(
                narrow,
                (1 << self.widths.activations) - 1,
                whole.astype(np.int16),
                whole_bias.astype(np.int64),
                steps + reference - grid,
                stride,
                padding,
                **extra,
            )

        finest = int((steps + reference).min())
        draft = layer(finest)
        arrays = tuple(self.values[number].values for number in inputs)
        sums = draft.sums(arrays, 0, draft.sides(*arrays[0].shape[1:3])[0]) + whole_bias
        most = np.abs(np.ldexp(sums, -(steps + reference))).max()
        grid = min(finest, HEADROOM - exponent(most), FINEST)
        return self.add(layer(grid), inputs, grid)

    def weight_steps(self, most: float, bits: int | None = None) -> int:
        """Return the number of binary places that make the largest weight fill its bits; None: those of `Widths`."""
        bits = bits or self.widths.weights
        steps = min(bits - exponent(most), 30)
        return steps - (np.rint(np.ldexp(most, steps)) >= 1 << bits)
