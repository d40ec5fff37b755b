"""Integer forms of Swin blocks and what surrounds them (`nic_nn.nets.swin`)."""

import numpy as np
from nic_latent.integers.arithmetic import saturated
from nic_latent.integers.functions import ARGUMENT_GRID
from nic_latent.integers.layers import Shuffle, WindowAttention
from torch import nn

from nic_nn.integers.draft import Draft, array
from nic_nn.nets.swin import NormedPatchSplitting, PatchSplitting, SwinBlock
from nic_nn.nets.swin import WindowAttention as TorchAttention

VALUE_BITS = 8
"""Averages are kept this much finer than what they average."""

Inputs = tuple[int, ...]


def linear(build: Draft, module: nn.Linear, inputs: Inputs, name: str) -> int:
    """A linear layer at each position."""
    return projected(build, array(module.weight), None if module.bias is None else array(module.bias), inputs)


def projected(
    build: Draft, weight: np.ndarray, bias: np.ndarray | None, inputs: Inputs, gain: np.ndarray | None = None
) -> int:
    """Append weight (outputs, inputs) times the channels of each position; gain: see `Draft.products`."""
    return build.products(weight[:, :, None, None], bias, inputs, gain=gain)


def layer_norm(build: Draft, module: nn.LayerNorm, inputs: Inputs, name: str) -> int:
    """A normalisation over the channels of each position."""
    if len(module.normalized_shape) != 1:
        raise ValueError("it must normalise the channels alone")
    return build.norm(build.joined(inputs), *gains_of(module), module.eps)


def gains_of(module: nn.LayerNorm) -> tuple[np.ndarray, np.ndarray]:
    """Return gains and biases of a layer norm."""
    channels = module.normalized_shape[0]
    weight = np.ones(channels) if module.weight is None else array(module.weight)
    return weight, np.zeros(channels) if module.bias is None else array(module.bias)


def swin_block(build: Draft, module: SwinBlock, inputs: Inputs, name: str) -> int:
    """A block: x + attention(norm(x)), then x + mlp(norm(x))."""
    x = build.joined(inputs)
    normal = build.emit(module.norm1, (x,), f"{name}.norm1")
    found = attention(build, module.attention, normal, module.shift, f"{name}.attention")
    x = build.total((x, found))
    normal = build.emit(module.norm2, (x,), f"{name}.norm2")
    return build.total((x, build.emit(module.mlp, (normal,), f"{name}.mlp")))


def attention(build: Draft, module: TorchAttention, number: int, shift: int, name: str) -> int:
    """Append attention within windows."""
    width = module.proj.in_features
    depth = width // module.heads
    scale = depth**-0.5 if module.scale is None else module.scale
    gain = np.where(np.arange(3 * width) < width, scale, 1.0)
    qkv = projected(build, array(module.qkv.weight), array(module.qkv.bias), (number,), gain)
    value = build.values[qkv]
    parts = [build.narrowing_of(part, value.grid) for part in np.split(value.values, 3, -1)]
    (narrow_q, grid_q), (narrow_k, grid_k), (narrow_v, grid_v) = parts
    layer = WindowAttention(
        module.heads,
        module.window,
        shift,
        (narrow_q, narrow_k, narrow_v),
        (1 << build.widths.activations) - 1,
        saturated(np.rint(np.ldexp(array(module.bias), ARGUMENT_GRID))),
        grid_q + grid_k - ARGUMENT_GRID,
        VALUE_BITS,
        depth,
    )
    return build.emit(module.proj, (build.add(layer, (qkv,), grid_v + VALUE_BITS),), f"{name}.proj")


def patch_splitting(build: Draft, module: PatchSplitting, inputs: Inputs, name: str) -> int:
    """Normalise, project, shuffle."""
    normal = build.emit(module.norm, inputs, f"{name}.norm")
    return shuffled(build, build.emit(module.expansion, (normal,), f"{name}.expansion"))


def normed_patch_splitting(build: Draft, module: NormedPatchSplitting, inputs: Inputs, name: str) -> int:
    """Project, normalise, and move phases to positions."""
    # A pixel shuffle takes the phases of each channel together: the channels are put into that order beforehand.
    bias = None if module.expansion.bias is None else by_channel(array(module.expansion.bias))
    number = projected(build, by_channel(array(module.expansion.weight)), bias, inputs)
    if isinstance(module.norm, nn.LayerNorm):
        weight, offset = map(by_channel, gains_of(module.norm))
        number = build.norm(number, weight, offset, module.norm.eps)
    return shuffled(build, number)


def by_channel(rows: np.ndarray) -> np.ndarray:
    """Return rows (4 C, ...), C for each phase, as four phases for each channel."""
    return rows.reshape(4, -1, *rows.shape[1:]).swapaxes(0, 1).reshape(rows.shape)


def shuffled(build: Draft, number: int) -> int:
    """Append a shuffle to twice the sides."""
    return build.add(Shuffle(2), (number,), build.values[number].grid)
