"""Transforms in bfloat16 on CPUs that multiply it, at twice the rate of float32 or more.

Products are of bfloat16 and summed in float32. What lies between layers, and so the sums that residual blocks add to,
stays float32: rounded at each of many additions, their errors would add up. Layers beside the picture and the one that
gives y compute in float32, since eight bits are too few for either. Nothing that decides a symbol is touched.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nic_nn.model import LatentModel

CPU_INFO = Path("/proc/cpuinfo")
CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""Of processors that compute in bfloat16. Others imitate it, thirty times as slowly as they compute in float32."""
NARROW = 48
"""Channels of 4 x 4 pixels: a product with no more on one side stands beside the picture."""
PRODUCTS = nn.Conv2d, nn.ConvTranspose2d, nn.Linear


def suits_bf16(kind: str) -> bool:
    """Tell whether devices of a kind, "cpu", "cuda" or "mps", gain by computing in bfloat16 here."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind == "mps":
        return torch.backends.mps.is_macos_or_newer(14, 0)
    try:
        lines = CPU_INFO.read_text().splitlines()
    except (OSError, ValueError):  # only Linux has it
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not CPU_FLAGS.isdisjoint(flags.split())


def to_bfloat16(model: LatentModel) -> None:
    """Let g_a and g_s of a model compute in bfloat16, in place and for inference only; the module says where."""
    analysis, synthesis = list(layers_of(model.g_a)), list(layers_of(model.g_s))
    for layer in (*analysis[:-1], *synthesis):
        if not beside_picture(layer):
            _lower(layer)


def layers_of(transform: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of a transform that have parameters, from first to last; sequences are taken apart."""
    for child in transform.children():
        if type(child) in (nn.Sequential, nn.ModuleList):
            yield from layers_of(child)
        elif next(child.parameters(), None) is not None:
            yield child


def beside_picture(layer: nn.Module) -> bool:
    """Tell whether a layer multiplies what is nearly pixels."""
    return any(isinstance(module, PRODUCTS) and min(_widths(module)) <= NARROW for module in layer.modules())


def _widths(product: nn.Module) -> tuple[int, int]:
    """Return how many channels a product takes and gives."""
    if isinstance(product, nn.Linear):
        return product.in_features, product.out_features
    assert isinstance(product, (nn.Conv2d, nn.ConvTranspose2d))
    return product.in_channels, product.out_channels


def _lower(layer: nn.Module) -> None:
    """Let a layer compute in bfloat16 and return float32."""
    for module in layer.modules():
        if isinstance(module, PRODUCTS):
            module.to(torch.bfloat16)  # autocast would do that again for each picture
    layer.forward = _autocast(layer.forward)


def _autocast(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*inputs: Any) -> Any:
        device = next(x.device.type for x in inputs if isinstance(x, Tensor))
        with torch.autocast(device, torch.bfloat16):
            made = forward(*inputs)
        return made.float() if isinstance(made, Tensor) else made

    return run
