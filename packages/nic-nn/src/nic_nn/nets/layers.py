"""Layers that the convolutional codecs share; shapes are (N, C, H, W)."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from nic_nn.nets.strips import by_rows
from nic_nn.nets.wide import WIDE, WideConv, WideDeconv


def conv(inputs: int, outputs: int, kernel: int = 5, stride: int = 2) -> nn.Conv2d:
    """Return a convolution that divides the sides by its stride."""
    kind = WideConv if stride > 1 and inputs * outputs * kernel**2 >= WIDE else nn.Conv2d
    return kind(inputs, outputs, kernel, stride, padding=kernel // 2)


def deconv(inputs: int, outputs: int, kernel: int = 5, stride: int = 2) -> nn.ConvTranspose2d:
    """Return a transposed convolution that multiplies the sides by its stride."""
    kind = WideDeconv if stride > 1 and inputs * outputs * kernel**2 >= WIDE else nn.ConvTranspose2d
    return kind(inputs, outputs, kernel, stride, padding=kernel // 2, output_padding=stride - 1)


class ToPixels(nn.ConvTranspose2d):
    """A transposed 5x5 convolution of stride 2 to three channels, run as a convolution to the four phases of each.

    It has the weights and results of one, in a third of the time though it counts 36 products for 25: few output
    channels suit no transposed kernel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 3, 5, 2, padding=2, output_padding=1)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Double the sides."""
        # Output 2q + p sums inputs q - 1, q, q + 1 under the kernel's taps 4 + p, 2 + p and p, of which 5 is none.
        taps = F.pad(self.weight, (0, 1, 0, 1)).unflatten(3, (3, 2)).unflatten(2, (3, 2)).flip(2, 4)
        phases = taps.permute(1, 3, 5, 0, 2, 4).flatten(0, 2)
        assert self.bias is not None
        return F.pixel_shuffle(F.conv2d(x, phases, self.bias.repeat_interleave(4), padding=1), 2)


def conv_chain(
    widths: Sequence[int], kernel: int, activation: Callable[[], nn.Module] = lambda: nn.ReLU(inplace=True)
) -> nn.Sequential:
    """Return convolutions of stride 1 from each width to the next, with activations between."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [activation(), conv(inputs, outputs, kernel, 1)]
    return nn.Sequential(*layers[1:])


def interleave(first: Sequence[nn.Module], second: Sequence[nn.Module]) -> Iterator[nn.Module]:
    """Yield the modules of two equally long lists in turns."""
    for pair in zip(first, second, strict=True):
        yield from pair


class Pointwise(nn.Conv2d):
    """A 1x1 convolution, computed as the matrix product that it is: on CPUs torch's own copies its input and output."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """As `Conv2d`, channels last in memory."""
        return F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class ResidualBottleneck(nn.Module):
    """x + a 1x1 convolution to half the channels, a 3x3 one, and a 1x1 one back (He et al., ELIC, CVPR 2022)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            Pointwise(channels, half),
            nn.ReLU(inplace=True),
            conv(half, half, 3, 1),
            nn.ReLU(inplace=True),
            Pointwise(half, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        # Strips of 12 288 positions: smaller ones compute too much of the halo twice.
        return by_rows(lambda part: part + self.branch(part), x, halo=1, positions=12288)
