"""Wide strided convolutions whose weights' gradient is computed a few channels at a time on CPUs.

oneDNN's takes about twice as long for the whole as for its parts where the gradient does not fit into the cache of a
core. The numbers are the same to the last bit: each entry of the gradient is the same sum.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

WIDE = 1 << 19
"""Weights of a kernel from which on its gradient is computed in parts: 2 MiB of them."""
CHANNELS = 32
"""Channels of the larger of a convolution's two sides that are computed at a time."""


class WideConv(nn.Conv2d):
    """A `Conv2d`; groups, dilation and padding modes other than the defaults are not asked for."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not _learns(input, weight):
            return super()._conv_forward(input, weight, bias)
        return _Convolution.apply(input, weight, bias, self.stride, self.padding, None)


class WideDeconv(nn.ConvTranspose2d):
    """A `ConvTranspose2d`, likewise."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """As torch's."""
        if output_size is not None or not _learns(input, self.weight):
            return super().forward(input, output_size)
        return _Convolution.apply(input, self.weight, self.bias, self.stride, self.padding, self.output_padding)


def _learns(x: Tensor, weight: Tensor) -> bool:
    """Tell whether a gradient of the weights is to come that is faster in parts."""
    return (
        torch.is_grad_enabled()
        and weight.requires_grad
        and x.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class _Convolution(torch.autograd.Function):
    """A convolution, or a transposed one where there is an output padding."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
        output_padding: tuple[int, int] | None,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, padding, output_padding
        if output_padding is None:
            return F.conv2d(x, weight, bias, stride, padding)
        return F.conv_transpose2d(x, weight, bias, stride, padding, output_padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, output_padding = ctx.geometry
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        dx = None
        if wants_x and output_padding is None:
            dx = _gradients(dy, x, weight, stride, padding, (True, False))[0]
        elif wants_x:
            dx = F.conv2d(dy, weight, None, stride, padding)
        # Seen from its output a transposed convolution is a convolution with the same weights.
        large, small = (x, dy) if output_padding is None else (dy, x)
        dweight = None
        if wants_weight:
            dweight = torch.empty_like(weight)
            for part, out in zip(large.split(CHANNELS, 1), dweight.split(CHANNELS, 1), strict=True):
                part = part.contiguous(memory_format=torch.channels_last)
                out.copy_(_gradients(small, part, out, stride, padding, (False, True))[1])
        return dx, dweight, dy.sum((0, 2, 3)) if wants_bias else None, None, None, None


def _gradients(
    dy: Tensor, x: Tensor, weight: Tensor, stride: Any, padding: Any, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return those of x and of the weights of a convolution, as far as they are wanted."""
    return torch.ops.aten.convolution_backward(
        dy, x, weight, None, stride, padding, (1, 1), False, (0, 0), 1, (*wanted, False)
    )
