"""Residual blocks that change the sides (Cheng et al., CVPR 2020): compressai's, with nic-nn's faster GDN."""

from torch import nn

from nic_nn.nets.compressai_parts import ResidualBlockUpsample, ResidualBlockWithStride
from nic_nn.nets.gdn import GDN
from nic_nn.nets.layers import conv


class Down(ResidualBlockWithStride):
    """A residual block that halves the sides."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, stride=2)
        self.gdn = GDN(outputs)


class Up(ResidualBlockUpsample):
    """A residual block that doubles the sides."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 2)
        self.igdn = GDN(outputs, inverse=True)


def subpixel(inputs: int, outputs: int) -> nn.Sequential:
    """Return a 3x3 convolution that doubles the sides."""
    return nn.Sequential(conv(inputs, 4 * outputs, 3, 1), nn.PixelShuffle(2))
