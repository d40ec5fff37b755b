"""NAF blocks (Chen et al., Simple Baselines for Image Restoration, ECCV 2022); shapes are (N, C, H, W)."""

import torch
from nic_nn.nets.layers import Pointwise
from nic_nn.nets.strips import by_rows
from nic_nn.nets.timm_parts import LayerNorm2d
from torch import Tensor, nn


class SimpleGate(nn.Module):
    """The product of the two halves of the channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Halve the channels."""
        first, second = x.chunk(2, 1)
        return first * second


class NafBlock(nn.Module):
    """Two residual branches: gated depthwise convolution with channel attention, then a gated pointwise network.

    beta, gamma: gains of the branches, zero at first.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = LayerNorm2d(channels)
        self.expand = Pointwise(channels, 2 * channels)
        self.depthwise = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.gate = SimpleGate()
        self.attention = nn.Sequential(nn.AdaptiveAvgPool2d(1), Pointwise(channels, channels))
        self.project = Pointwise(channels, channels)
        self.norm2 = LayerNorm2d(channels)
        self.feed_forward = nn.Sequential(
            Pointwise(channels, 2 * channels), SimpleGate(), Pointwise(channels, channels)
        )
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        gated = self.gate(self.depthwise(self.expand(self.norm1(x))))
        attention = self.attention(gated)

        def rest(x: Tensor, gated: Tensor) -> Tensor:
            x = x + self.beta * self.project(gated * attention)
            return x + self.gamma * self.feed_forward(self.norm2(x))

        return by_rows(rest, x, gated)


class NafTransform(nn.Module):
    """NAF blocks at another width, with a residual around them; keeps the number of channels.

    channels: in and out; width: of the `count` blocks.
    """

    def __init__(self, channels: int, width: int, count: int) -> None:
        super().__init__()
        self.enter = Pointwise(channels, width)
        self.blocks = nn.Sequential(*(NafBlock(width) for _ in range(count)))
        self.leave = Pointwise(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        x = self.enter(x)
        return self.leave(x + self.blocks(x))
