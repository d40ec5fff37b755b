"""What authors' code saves beside parameters: bounds, empty tables, positions, which its strict loading asks for.

They are taken from CompressAI's own modules, whose code the authors' stands on; published checkpoints have the same.
"""

import math
import re
from collections.abc import Mapping

import torch
from compressai.entropy_models import EntropyBottleneck, GaussianConditional
from compressai.layers import GDN
from torch import Tensor, nn

from nic_nn.nets.swin import relative_positions

WINDOW_BIAS = re.compile(r"(.*)relative_position_bias_table")


def of_entropy_models(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return those of the factorised prior and of the Gaussian model of y."""
    (prior,) = (name.removesuffix("quantiles") for name in state if name.endswith("entropy_bottleneck.quantiles"))
    return {**_buffers(EntropyBottleneck(1), prior), **_buffers(GaussianConditional(None), "gaussian_conditional.")}


def of_gdns(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return those of every GDN: what has a vector beta and a matrix gamma."""
    names = [name.removesuffix("beta") for name, value in state.items() if name.endswith(".beta") and value.ndim == 1]
    return {name: value for gdn in names for name, value in _buffers(GDN(1), gdn).items()}


def of_windows(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return those of every attention in windows: which row of its bias table each pair of positions takes."""
    found = {}
    for name, value in state.items():
        if bias := WINDOW_BIAS.fullmatch(name):
            window = (math.isqrt(len(value)) + 1) // 2
            found[f"{bias[1]}relative_position_index"] = relative_positions(window)
    return found


def of_masked_convolution(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return that of a convolution which sees what lies before its centre: one at such taps, zero at all others."""
    weight = state[f"{name}.weight"]
    rows, columns = weight.shape[-2:]
    before = torch.arange(rows * columns) < rows * columns // 2
    return {f"{name}.mask": before.view(rows, columns).to(weight.dtype).expand(weight.shape).contiguous()}


def _buffers(module: nn.Module, start: str) -> dict[str, Tensor]:
    parameters = dict(module.named_parameters())
    return {f"{start}{name}": value for name, value in module.state_dict().items() if name not in parameters}
