"""The model of Han et al., Causal Context Adjustment Loss for Learned Image Compression, NeurIPS 2024, section 3.3."""

from itertools import pairwise

import numpy as np
import torch
from nic_latent.context import slices_of
from nic_nn.entropy.latent import full_precision
from nic_nn.integers.draft import Draft
from nic_nn.integers.forms import curved, sequence
from nic_nn.model import LatentModel
from nic_nn.nets.layers import ResidualBottleneck, ToPixels, conv, conv_chain, deconv, interleave
from torch import Tensor, nn

from nic_cca.blocks import NafBlock, NafTransform
from nic_cca.config import CcaConfig
from nic_cca.order import CcaOrder


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


class HyperSynthesis(nn.Module):
    """h_s: one synthesis for scales and one for means; z_hat to 2M channels, scales first."""

    def __init__(self, config: CcaConfig) -> None:
        super().__init__()
        self.scale, self.mean = self._branch(config), self._branch(config)

    def _branch(self, config: CcaConfig) -> nn.Sequential:
        width, latent = config.widths[-1], sum(config.slices)
        return nn.Sequential(
            deconv(config.hyper, width), nn.GELU(), deconv(width, width), nn.GELU(), deconv(width, latent, 3, 1)
        )

    def forward(self, z_hat: Tensor) -> Tensor:
        """Return what the context reads."""
        return torch.cat([self.scale(z_hat), self.mean(z_hat)], 1)


class RoundingError(nn.Sequential):
    """A chain of layers to what was lost in rounding, -0.5 to 0.5 (Minnen and Singh, ICIP 2020, section 3.2)."""

    def forward(self, x: Tensor) -> Tensor:
        """Keep the sides."""
        return 0.5 * torch.tanh(full_precision(super().forward(x)))

    def integer_form(self, build: Draft, inputs: tuple[int, ...], name: str) -> int:
        """See `nic_nn.integers.builder`."""
        bound = curved(build, sequence(build, self, inputs, name), "tanh")
        return build.affine(bound, np.full(build.values[bound].values.shape[-1], 0.5))


class SlicePredictor(nn.Module):
    """The nets that predict one slice of y from the hyper-synthesis and earlier slices.

    seen: channels of the earlier slices that it sees; size: of the slice.
    residual: whether it also predicts the rounding error of the slice.
    """

    def __init__(self, config: CcaConfig, seen: int, size: int, residual: bool = True) -> None:
        super().__init__()
        inputs = sum(config.slices) + seen

        def reduce(channels: int) -> nn.Sequential:
            return conv_chain((channels, *config.reduction, size), 3, nn.GELU)

        self.mean_features = NafTransform(inputs, config.context, config.context_blocks)
        self.scale_features = NafTransform(inputs, config.context, config.context_blocks)
        self.mean, self.scale = reduce(inputs), reduce(inputs)
        self.residual = RoundingError(*reduce(inputs + size)) if residual else None


class Cca(LatentModel):
    """The model of a config; see `nic_nn.model.LatentModel` for what it takes and returns."""

    def __init__(self, config: CcaConfig) -> None:
        super().__init__((sum(config.slices), config.hyper))
        self.config = config
        self.g_a, self.g_s = analysis(config), synthesis(config)
        self.h_a, self.h_s = hyper_analysis(config), HyperSynthesis(config)
        self.order = CcaOrder(config.slices)
        self.predictors = nn.ModuleList(
            SlicePredictor(config, s.start, s.stop - s.start) for s in slices_of(config.slices)
        )
        # Faster, and with the weights so no input's format can make encoder and decoder run different kernels.
        self.to(memory_format=torch.channels_last)
