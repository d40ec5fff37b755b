"""The model of Han et al., Causal Context Adjustment Loss for Learned Image Compression, NeurIPS 2024, section 3.3."""

from itertools import pairwise

import torch
from nic_nn.latent import Context, Params, full_precision, slices_of
from nic_nn.layers import ResidualBottleneck, ToPixels, conv, conv_chain, deconv, interleave
from nic_nn.model import LatentModel
from torch import Tensor, nn

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


class SlicePredictor(nn.Module):
    """Predicts one slice of y from the hyper-synthesis and earlier slices.

    seen: channels of the earlier slices that it sees; size: of the slice.
    residual: whether it also predicts the rounding error of the slice (latent residual prediction, Minnen and Singh,
        ICIP 2020, section 3.2).
    """

    def __init__(self, config: CcaConfig, seen: int, size: int, residual: bool = True) -> None:
        super().__init__()
        inputs = sum(config.slices) + seen

        def reduce(channels: int) -> nn.Sequential:
            return conv_chain((channels, *config.reduction, size), 3, nn.GELU)

        self.mean_features = NafTransform(inputs, config.context, config.context_blocks)
        self.scale_features = NafTransform(inputs, config.context, config.context_blocks)
        self.mean, self.scale = reduce(inputs), reduce(inputs)
        self.residual = reduce(inputs + size) if residual else None

    def steps(self, hyper: Tensor, decoded: list[Tensor], channels: slice) -> Context:
        """Code the slice and return it, with its predicted rounding error added.

        hyper: (N, 2M, h, w), scales first. decoded: the earlier slices that it sees. channels: of the slice.
        """
        hyper_scale, hyper_mean = hyper.chunk(2, 1)
        features = self.mean_features(channels_last(hyper_mean, *decoded))
        scale = self.scale(self.scale_features(channels_last(hyper_scale, *decoded)))
        y_hat = yield Params(self.mean(features), scale, channels)
        if self.residual is None:
            return y_hat
        return y_hat + 0.5 * torch.tanh(full_precision(self.residual(channels_last(features, y_hat))))


def channels_last(*parts: Tensor) -> Tensor:
    """Return tensors joined, in one memory format whatever theirs is: both directions must run the same kernels."""
    return torch.cat(parts, 1).contiguous(memory_format=torch.channels_last)


class Cca(LatentModel):
    """The model of a config; see `nic_nn.model.LatentModel` for what it takes and returns."""

    def __init__(self, config: CcaConfig) -> None:
        super().__init__((sum(config.slices), config.hyper))
        self.config = config
        self.g_a, self.g_s = analysis(config), synthesis(config)
        self.h_a, self.h_s = hyper_analysis(config), HyperSynthesis(config)
        self.slices = slices_of(config.slices)
        self.predictors = nn.ModuleList(SlicePredictor(config, s.start, s.stop - s.start) for s in self.slices)
        # Faster, and with the weights so no input's format can make encoder and decoder run different kernels.
        self.to(memory_format=torch.channels_last)

    def context(self, hyper: Tensor) -> Context:
        """Slice after slice; each sees the hyper-synthesis and all slices before it."""
        decoded: list[Tensor] = []
        for channels, predictor in zip(self.slices, self.predictors, strict=True):
            decoded.append((yield from predictor.steps(hyper, decoded, channels)))  # type: ignore[operator]
        return torch.cat(decoded, 1)
