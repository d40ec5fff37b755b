"""Residual blocks that change the sides (Cheng et al., CVPR 2020): compressai's, with nic-nn's faster GDN."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nic_nn.nets.compressai_parts import ResidualBlockUpsample, ResidualBlockWithStride
from nic_nn.nets.gdn import GDN
from nic_nn.nets.layers import conv


class Skip(nn.Conv2d):
    """A 1x1 convolution of stride 2.

    In training it sees only the positions that it reads: oneDNN's gradient of a strided one with three inputs, channels
    last, writes beyond its memory (torch 2.15), and the process ends.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Halve the sides."""
        if not torch.is_grad_enabled():
            return super().forward(x)
        return F.conv2d(x[:, :, ::2, ::2], self.weight, self.bias)


class Down(ResidualBlockWithStride):
    """A residual block that halves the sides."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, stride=2)
        self.skip = Skip(inputs, outputs)
        self.gdn = GDN(outputs)


class Up(ResidualBlockUpsample):
    """A residual block that doubles the sides."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 2)
        self.igdn = GDN(outputs, inverse=True)


def subpixel(inputs: int, outputs: int) -> nn.Sequential:
    """Return a 3x3 convolution that doubles the sides."""
    return nn.Sequential(conv(inputs, 4 * outputs, 3, 1), nn.PixelShuffle(2))
