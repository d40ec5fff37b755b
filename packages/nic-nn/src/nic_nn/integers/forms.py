"""The integer forms of torch's layers and of those in nic-nn, by type."""

from collections.abc import Callable
from typing import Any

from nic_latent.integers.functions import VALUE_GRID
from nic_latent.integers.layers import Gelu, Leaky, Pack, Pool, Shuffle, Sigmoid, Tanh, Unpack
from torch import nn

from nic_nn.integers import transformers
from nic_nn.integers.divisive import gdn
from nic_nn.integers.draft import Draft, array
from nic_nn.nets import compressai_parts
from nic_nn.nets.checkerboard import Packed, PackedConv, Unpacked
from nic_nn.nets.gdn import GDN
from nic_nn.nets.layers import Pointwise, ToPixels
from nic_nn.nets.swin import NormedPatchSplitting, PatchSplitting, SwinBlock, ToPlanes, ToPositions
from nic_nn.nets.wide import WideDeconv

Inputs = tuple[int, ...]


def sequence(build: Draft, module: nn.Sequential, inputs: Inputs, name: str) -> int:
    """One layer after another."""
    for part, child in module.named_children():
        inputs = (build.emit(child, inputs, f"{name}.{part}"),)
    return build.joined(inputs)


def nothing(build: Draft, module: nn.Module, inputs: Inputs, name: str) -> int:
    """What changes no value."""
    return build.joined(inputs)


def convolution(build: Draft, module: nn.Conv2d | nn.ConvTranspose2d, inputs: Inputs, name: str) -> int:
    """A convolution of the inputs joined along their channels."""
    transposed = isinstance(module, nn.ConvTranspose2d)
    (kernel, *_), (stride, *_) = module.kernel_size, module.stride
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        raise ValueError("its padding must be a number of zeros")
    (padding, *_) = module.padding
    for pair in (module.kernel_size, module.stride, module.padding, module.output_padding):
        if len(set(pair)) > 1:
            raise ValueError("its kernel, stride and padding must be square")
    if set(module.dilation) != {1} or (transposed and module.groups > 1):
        raise ValueError("it must have no dilation, and no groups where it is transposed")
    if transposed and kernel - 2 * padding + module.output_padding[0] != stride:
        raise ValueError("it must multiply the sides by its stride")
    bias = None if module.bias is None else array(module.bias)
    if module.groups > 1:
        inputs = (build.joined(inputs),)
    return build.products(
        array(module.weight), bias, inputs, transposed, stride=stride, padding=padding, groups=module.groups
    )


def leaky(build: Draft, module: nn.Module, inputs: Inputs, name: str) -> int:
    """ReLU, or LeakyReLU with its slope."""
    return rectified(build, build.joined(inputs), getattr(module, "negative_slope", 0.0))


def rectified(build: Draft, number: int, slope: float = 0.0) -> int:
    """Values below zero times a slope."""
    return build.add(Leaky(round(slope * 65536)), (number,), build.values[number].grid)


def gelu(build: Draft, module: nn.GELU, inputs: Inputs, name: str) -> int:
    """GELU in its exact form."""
    return curved(build, build.joined(inputs), "gelu", module.approximate)


def curved(build: Draft, number: int, name: str, approximate: str = "none") -> int:
    """A function by table: gelu, sigmoid or tanh."""
    if approximate != "none":
        raise ValueError("a GELU must be exact, not approximate")
    grid = build.values[number].grid
    if name == "gelu":
        return build.add(Gelu(grid), (number,), grid)
    return build.add(Sigmoid(grid) if name == "sigmoid" else Tanh(grid), (number,), VALUE_GRID)


def shuffle(build: Draft, module: nn.PixelShuffle, inputs: Inputs, name: str) -> int:
    """A pixel shuffle."""
    number = build.joined(inputs)
    return build.add(Shuffle(module.upscale_factor), (number,), build.values[number].grid)


def pool(build: Draft, module: nn.AdaptiveAvgPool2d, inputs: Inputs, name: str) -> int:
    """The mean over all positions."""
    if module.output_size not in (1, (1, 1)):
        raise ValueError("its output must be one position")
    return pooled(build, build.joined(inputs))


def pooled(build: Draft, number: int) -> int:
    """The mean over all positions."""
    return build.add(Pool(), (number,), build.values[number].grid)


def packed(build: Draft, module: Packed, inputs: Inputs, name: str) -> int:
    """One colour of a checkerboard."""
    number = build.joined(inputs)
    return build.add(Pack(module.parity), (number,), build.values[number].grid)


def unpacked(build: Draft, module: Unpacked, inputs: Inputs, name: str) -> int:
    """One colour of a checkerboard in its places."""
    number = build.joined(inputs)
    return build.add(Unpack(module.parity), (number,), build.values[number].grid)


def packed_convolution(build: Draft, module: PackedConv, inputs: Inputs, name: str) -> int:
    """The convolution everywhere, of which one colour is taken."""
    number = convolution(build, module, inputs, name)
    return build.add(Pack(module.parity), (number,), build.values[number].grid)


Form = Callable[[Draft, Any, Inputs, str], int]

FORMS: dict[type[nn.Module], Form] = {
    nn.Sequential: sequence,
    nn.Identity: nothing,
    nn.Dropout: nothing,
    ToPositions: nothing,
    ToPlanes: nothing,
    nn.Conv2d: convolution,
    nn.ConvTranspose2d: convolution,
    WideDeconv: convolution,
    Pointwise: convolution,
    ToPixels: convolution,
    nn.ReLU: leaky,
    nn.LeakyReLU: leaky,
    nn.GELU: gelu,
    nn.Sigmoid: lambda build, module, inputs, name: curved(build, build.joined(inputs), "sigmoid"),
    nn.Tanh: lambda build, module, inputs, name: curved(build, build.joined(inputs), "tanh"),
    nn.PixelShuffle: shuffle,
    nn.AdaptiveAvgPool2d: pool,
    nn.Linear: transformers.linear,
    nn.LayerNorm: transformers.layer_norm,
    SwinBlock: transformers.swin_block,
    PatchSplitting: transformers.patch_splitting,
    NormedPatchSplitting: transformers.normed_patch_splitting,
    GDN: gdn,
    compressai_parts.GDN: gdn,
    Packed: packed,
    Unpacked: unpacked,
    PackedConv: packed_convolution,
}


def listed(module: nn.Module) -> type[nn.Module] | None:
    """Return the type by which a module has a form: its own, or one whose `forward` it inherits unchanged."""
    for kind in type(module).__mro__:
        if kind in FORMS:
            return kind if type(module).forward is kind.forward else None
    return None


def form_of(module: nn.Module) -> Callable[[Draft, Inputs, str], int] | None:
    """Return what appends a module, where it says so itself or is listed."""
    if hasattr(module, "integer_form"):
        return module.integer_form  # type: ignore[return-value]
    kind = listed(module)
    return None if kind is None else lambda build, inputs, name: FORMS[kind](build, module, inputs, name)
