"""Layers that the convolutional codecs share; shapes are (N, C, H, W)."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 5, stride: int = 2) -> nn.Conv2d:
    """Return a convolution that divides the sides by its stride."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)


def deconv(inputs: int, outputs: int, kernel: int = 5, stride: int = 2) -> nn.ConvTranspose2d:
    """Return a transposed convolution that multiplies the sides by its stride."""
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding=kernel // 2, output_padding=stride - 1)


def conv_chain(
    widths: Sequence[int], kernel: int, activation: Callable[[], nn.Module] = lambda: nn.ReLU(inplace=True)
) -> nn.Sequential:
    """Return convolutions of stride 1 from each width to the next, with activations between."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [activation(), conv(inputs, outputs, kernel, 1)]
    return nn.Sequential(*layers[1:])


class ResidualBottleneck(nn.Module):
    """x + a 1x1 convolution to half the channels, a 3x3 one, and a 1x1 one back (He et al., ELIC, CVPR 2022)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            conv(channels, half, 1, 1),
            nn.ReLU(inplace=True),
            conv(half, half, 3, 1),
            nn.ReLU(inplace=True),
            conv(half, channels, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return x + self.branch(x)
