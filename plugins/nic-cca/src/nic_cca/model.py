"""The model of Han et al., Causal Context Adjustment Loss for Learned Image Compression, NeurIPS 2024, section 3.3."""

from itertools import pairwise

import torch
from nic_latent.orders.context import slices_of
from nic_latent.orders.lrp import LrpOrder
from nic_nn.lrp import HyperSynthesis, SlicePredictor
from nic_nn.model import LatentModel
from nic_nn.nets.layers import ResidualBottleneck, ToPixels, conv, deconv, interleave
from torch import nn

from nic_cca.blocks import NafBlock, NafTransform
from nic_cca.config import CcaConfig


def stage(config: CcaConfig, scale: int) -> list[nn.Module]:
    """Return what works on one scale of the picture, in the order of g_a: residual bottlenecks, then NAF blocks."""
    width = config.widths[scale]
    bottlenecks = [ResidualBottleneck(width) for _ in range(config.bottlenecks)]
    return [*bottlenecks, *(NafBlock(width) for _ in range(config.blocks[scale]))]


def analysis(config: CcaConfig) -> nn.Sequential:
    """g_a: 5x5 convolutions of stride 2 and stages in turns; x to y."""
    first, *others = [conv(*pair) for pair in pairwise((3, *config.widths, sum(config.slices)))]
    stages = [nn.Sequential(*stage(config, scale)) for scale in range(len(config.widths))]
    return nn.Sequential(first, *interleave(stages, others))


def synthesis(config: CcaConfig) -> nn.Sequential:
    """g_s: the mirror of g_a, NAF blocks before bottlenecks; y_hat to x_hat."""
    first, *others = [deconv(*pair) for pair in pairwise((sum(config.slices), *reversed(config.widths)))]
    stages = [nn.Sequential(*reversed(stage(config, scale))) for scale in reversed(range(len(config.widths)))]
    return nn.Sequential(first, *interleave(stages, [*others, ToPixels(config.widths[0])]))


def hyper_analysis(config: CcaConfig) -> nn.Sequential:
    """h_a: a 3x3 convolution and two 5x5 of stride 2, with GELU between; y to z."""
    width = config.widths[-1]
    return nn.Sequential(
        conv(sum(config.slices), width, 3, 1), nn.GELU(), conv(width, width), nn.GELU(), conv(width, config.hyper)
    )


def hyper_synthesis(config: CcaConfig) -> HyperSynthesis:
    """h_s: transposed convolutions with GELU between, for scales and for means."""
    width, latent = config.widths[-1], sum(config.slices)

    def branch() -> nn.Sequential:
        return nn.Sequential(
            deconv(config.hyper, width), nn.GELU(), deconv(width, width), nn.GELU(), deconv(width, latent, 3, 1)
        )

    return HyperSynthesis(branch(), branch())


def predictor(config: CcaConfig, seen: int, size: int, residual: bool = True) -> SlicePredictor:
    """Return the nets of one slice; seen: channels of the earlier slices that it sees."""

    def features(channels: int) -> NafTransform:
        return NafTransform(channels, config.context, config.context_blocks)

    return SlicePredictor(sum(config.slices) + seen, size, features, config.reduction, residual)


class Cca(LatentModel):
    """The model of a config; see `nic_nn.model.LatentModel` for what it takes and returns."""

    def __init__(self, config: CcaConfig) -> None:
        super().__init__((sum(config.slices), config.hyper))
        self.config = config
        self.g_a, self.g_s = analysis(config), synthesis(config)
        self.h_a, self.h_s = hyper_analysis(config), hyper_synthesis(config)
        self.order = LrpOrder(config.slices)
        self.predictors = nn.ModuleList(predictor(config, s.start, s.stop - s.start) for s in slices_of(config.slices))
        # Faster, and with the weights so no input's format can make encoder and decoder run different kernels.
        self.to(memory_format=torch.channels_last)
