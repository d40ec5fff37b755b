"""The sketch model: Cheng et al., Learned Image Compression with Discretized Gaussian Mixture Likelihoods and Attention
Modules, CVPR 2020, for gray pictures.

As in Text + Sketch and CompressAI's `cheng2020-attn`, each latent has one Gaussian instead of the paper's mixture.
"""

from nic_latent.orders.context import Context
from nic_nn.entropy.latent import nets_of
from nic_nn.model import LatentModel
from nic_nn.nets.compressai_parts import AttentionBlock, ResidualBlock
from nic_nn.nets.layers import conv
from nic_nn.nets.residual import Down, Up, subpixel
from nic_nn.raster import RasterScan
from torch import Tensor, nn

from nic_textsketch.config import SketchConfig

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in gray (ITU-R BT.601)."""


def to_gray(x: Tensor) -> Tensor:
    """Return pictures (N, 1 or 3, H, W) as (N, 1, H, W)."""
    if x.shape[1] == 1:
        return x
    return (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


class Analysis(nn.Sequential):
    """g_a: gray, or colour that it makes gray first, to y."""

    def __init__(self, width: int) -> None:
        super().__init__(
            *[Down(1, width), ResidualBlock(width, width)],
            *[Down(width, width), AttentionBlock(width), ResidualBlock(width, width)],
            *[Down(width, width), ResidualBlock(width, width)],
            *[conv(width, width, 3), AttentionBlock(width)],
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn pictures (N, 1 or 3, H, W) into (N, C, H / 16, W / 16)."""
        return super().forward(to_gray(x))


def synthesis(width: int) -> nn.Sequential:
    """g_s: y_hat to x_hat."""
    return nn.Sequential(
        *[AttentionBlock(width), ResidualBlock(width, width), Up(width, width)],
        *[ResidualBlock(width, width), Up(width, width)],
        *[AttentionBlock(width), ResidualBlock(width, width), Up(width, width)],
        *[ResidualBlock(width, width), subpixel(width, 1)],
    )


def hyper_analysis(width: int) -> nn.Sequential:
    """h_a: five 3x3 convolutions, the third and the last of stride 2; y to z."""
    strides = (1, 1, 2, 1, 2)
    layers = [layer for stride in strides for layer in (conv(width, width, 3, stride), nn.LeakyReLU(inplace=True))]
    return nn.Sequential(*layers[:-1])


def hyper_synthesis(width: int) -> nn.Sequential:
    """h_s: z_hat to 2C channels for the context."""
    wide = 3 * width // 2
    return nn.Sequential(
        *[conv(width, width, 3, 1), nn.LeakyReLU(inplace=True)],
        *[subpixel(width, width), nn.LeakyReLU(inplace=True)],
        *[conv(width, wide, 3, 1), nn.LeakyReLU(inplace=True)],
        *[subpixel(wide, wide), nn.LeakyReLU(inplace=True)],
        conv(wide, 2 * width, 3, 1),
    )


class SketchModel(LatentModel):
    """The model of a config; see `nic_nn.model.LatentModel`.

    It codes gray, (N, 1, H, W). Pictures (N, 3, H, W) are made gray first, so that x_hat has one channel for them too.
    Measured and coded y_hat differ slightly: see `nic_nn.entropy.latent.Estimate` on scans.
    """

    picture_channels = 1

    def __init__(self, config: SketchConfig) -> None:
        super().__init__((config.width, config.width))
        self.config = config
        self.g_a, self.g_s = Analysis(config.width), synthesis(config.width)
        self.h_a, self.h_s = hyper_analysis(config.width), hyper_synthesis(config.width)
        self.raster = RasterScan(config.width)
        self.order = self.raster.order

    def context(self, hyper: Tensor) -> Context:
        """Position after position."""
        return self.raster.steps(nets_of(self), hyper)
