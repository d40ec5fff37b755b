"""mini: residual convolutions around a space-channel context, one set of weights for every quality.

Made for two CPU cores. Plain 3x3 residual blocks at 1/4, 1/8 and 1/16 of the picture cost the same at each scale when
the width doubles; a 4x4 patch embedding leaves nothing to do at full resolution. Four channel slices, each in two
checkerboard passes (He et al., ELIC, CVPR 2022, section 3), give most of an autoregressive context's gain in eight
steps. Learned gains before rounding and after decoding, interpolated between trained levels, make the quality
continuous (Cui et al., Asymmetric Gained Deep Image Compression, CVPR 2021).

Transforms that are 160 channels wide at 1/16 let 160 numbers through for a block, and above some 34 dB a picture has
more. What they leave of it, as the encoder previews without rounding, can go by a linear transform of blocks into the
last channels of y: nothing at low rates, where it rounds to zero, and most of the bits at high ones.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from nic_latent.orders.context import slices_of
from nic_nn.model import Compressed, LatentModel
from torch import Tensor, nn

from nic_mini.config import MiniConfig
from nic_mini.order import MiniOrder


def activation() -> nn.Module:
    """Return the activation used throughout."""
    return nn.LeakyReLU(0.1, inplace=True)


class ResidualBlock(nn.Module):
    """x + conv(act(conv(x))), 3x3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), activation(), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return x + self.body(x)


class DepthwiseBlock(nn.Module):
    """x + conv(act(conv(depthwise(x)))): a large depthwise kernel, then 1x1 to twice the width and back.

    After ConvNeXt (Liu et al., CVPR 2022), without its normalisation, which hurts compression.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels),
            nn.Conv2d(channels, 2 * channels, 1),
            activation(),
            nn.Conv2d(2 * channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return x + self.body(x)


def stage(channels: int, count: int, kernel: int) -> list[nn.Module]:
    """Return `count` blocks, of plain convolutions where `kernel` is 0."""
    return [DepthwiseBlock(channels, kernel) if kernel else ResidualBlock(channels) for _ in range(count)]


def upsample(inputs: int, outputs: int, factor: int, kernel: int) -> list[nn.Module]:
    """Return a convolution and a pixel shuffle."""
    return [nn.Conv2d(inputs, outputs * factor**2, kernel, padding=kernel // 2), nn.PixelShuffle(factor)]


def analysis(
    widths: tuple[int, int, int], blocks: tuple[int, int, int], kernels: tuple[int, int, int], latent: int
) -> nn.Sequential:
    """Return g_a: 3 channels to `latent` at 1/16."""
    first, second, third = widths
    return nn.Sequential(
        nn.Conv2d(3, first, 4, stride=4),
        *stage(first, blocks[0], kernels[0]),
        nn.Conv2d(first, second, 3, stride=2, padding=1),
        *stage(second, blocks[1], kernels[1]),
        nn.Conv2d(second, third, 3, stride=2, padding=1),
        *stage(third, blocks[2], kernels[2]),
        nn.Conv2d(third, latent, 1),
    )


def synthesis(
    widths: tuple[int, int, int], blocks: tuple[int, int, int], kernels: tuple[int, int, int], latent: int
) -> nn.Sequential:
    """Return g_s: `latent` channels at 1/16 to 3."""
    first, second, third = widths
    return nn.Sequential(
        nn.Conv2d(latent, third, 1),
        *stage(third, blocks[2], kernels[2]),
        *upsample(third, second, 2, 1),
        *stage(second, blocks[1], kernels[1]),
        *upsample(second, first, 2, 1),
        *stage(first, blocks[0], kernels[0]),
        *upsample(first, 3, 4, 3),
    )


def keep_variance(transform: nn.Module) -> None:
    """Initialise so that signals keep their strength: latents that start small would all be rounded to zero."""
    for module in transform.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.kaiming_normal_(module.weight, 0.1, nonlinearity="leaky_relu")
            nn.init.zeros_(module.bias)
    for module in transform.modules():
        if isinstance(module, (ResidualBlock, DepthwiseBlock)):
            weaken(module.body[-1], 0.2)  # nearly the identity at first


def weaken(module: nn.Module, factor: float) -> None:
    """Scale the parameters of a module."""
    for parameter in module.parameters():
        parameter.data.mul_(factor)


class Gains(nn.Module):
    """Per-channel gains of y and their inverses for synthesis, interpolated in the log domain between levels."""

    def __init__(self, channels: int, levels: int, lambdas: tuple[float, float]) -> None:
        super().__init__()
        # At high rate the best quantisation step falls with the square root of lambda.
        start = math.log(4) + 0.5 * math.log(lambdas[1] / lambdas[0]) * (torch.linspace(0, 1, levels) - 0.5)
        self.log_gain = nn.Parameter(start[:, None].repeat(1, channels))
        self.log_inverse = nn.Parameter(-start[:, None].repeat(1, channels))

    def forward(self, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Return gain and inverse gain, (N, C, 1, 1), for qualities (N,) from 1 to 100."""
        levels = len(self.log_gain)
        position = (quality - 1) / 99 * (levels - 1)
        below = position.floor().clamp(0, levels - 2).long()
        share = (position - below)[:, None]
        gain, inverse = (
            torch.lerp(table[below], table[below + 1], share).exp()[..., None, None]
            for table in (self.log_gain, self.log_inverse)
        )
        return gain, inverse


class SliceContext(nn.Module):
    """The nets that predict one slice of y: its anchors first, the rest with the anchors around each position.

    inputs: channels of what all passes see (hyper features and earlier slices); channels: of the slice.
    around: side of the kernel over the anchors.
    """

    def __init__(self, inputs: int, channels: int, width: int, around: int) -> None:
        super().__init__()
        self.support = nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1), activation())
        self.anchors = nn.Conv2d(width, 2 * channels, 1)
        self.around = nn.Conv2d(channels, width, around, padding=around // 2)
        last = nn.Conv2d(width, 2 * channels, 1)
        self.rest = nn.Sequential(nn.Conv2d(2 * width, width, 1), activation(), last)
        # Scales start small though y is wide: it takes far longer to bring them down from 4 than up from 0.5.
        for bias in (self.anchors.bias, last.bias):
            assert bias is not None
            nn.init.constant_(bias[:channels], 0.5)


class Mini(LatentModel):
    """The model; `quality` is a float or a tensor (N,) from 1 to 100 wherever it appears."""

    graph_inputs = {"quality": (1,)}  # noqa: RUF012
    synthesis_config = ("synthesis_widths", "synthesis_blocks")
    integer_bits = 7
    """Costs some 0.3 % of rate, see docs/determinism.md."""

    def __init__(self, config: MiniConfig) -> None:
        latent = sum(config.slices)
        super().__init__((latent, config.hyper))
        self.config = config
        self.g_a = analysis(
            config.analysis_widths or config.widths, config.analysis_blocks or config.blocks, config.kernels, latent
        )
        self.g_s = synthesis(
            config.synthesis_widths or config.widths, config.synthesis_blocks or config.blocks, config.kernels, latent
        )
        if config.rest:
            # An encoder's own: other decoders' g_s must not change what symbols say.
            self.preview = synthesis(config.widths, config.blocks, config.kernels, latent)
            self.rest_a = nn.Conv2d(3, config.rest, 16, stride=16)
            self.rest_s = nn.Sequential(*upsample(config.rest, 3, 16, 1))
            self.analysis_modules = (*self.analysis_modules, "preview", "rest_a")
            self.synthesis_modules = (*self.synthesis_modules, "rest_s")
            self.shared_modules = (("preview", "g_s"),)
        hyper, features = config.hyper, config.features
        self.h_a = nn.Sequential(
            nn.Conv2d(latent, features, 3, padding=1),
            activation(),
            nn.Conv2d(features, hyper, 5, stride=2, padding=2),
            activation(),
            nn.Conv2d(hyper, hyper, 5, stride=2, padding=2),
        )
        self.h_s = nn.Sequential(
            *upsample(hyper, hyper, 2, 3),
            activation(),
            *upsample(hyper, hyper, 2, 3),
            activation(),
            nn.Conv2d(hyper, features, 3, padding=1),
            activation(),
        )
        self.gains = Gains(latent, config.levels, config.lambdas)
        self.order = MiniOrder(config.slices)
        self.contexts = nn.ModuleList(
            SliceContext(features + s.start, s.stop - s.start, config.context, config.around)
            for s in slices_of(config.slices)
        )
        pictures = [self.g_s, self.preview] if config.rest else [self.g_s]
        for transform in (self.g_a, *pictures, self.h_a, self.h_s):
            keep_variance(transform)
        for transform in pictures:
            weaken(transform[-2], 0.01)  # start from a gray picture, not from noise
        if config.rest:
            weaken(self.rest_s, 0.01)

    def share_preview(self) -> None:
        """Let the preview be g_s, whatever becomes of it: files then hold it once."""
        if self.config.rest:
            for own, other in zip(self.preview.modules(), self.g_s.modules(), strict=True):
                for name, parameter in other.named_parameters(recurse=False):
                    setattr(own, name, parameter)

    def completed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Let g_s say what a preview is that is shared."""
        if not self.config.rest or next(self.preview.parameters()) is not next(self.g_s.parameters()):
            return state
        shared = {f"preview.{name.removeprefix('g_s.')}": state[name] for name in state if name.startswith("g_s.")}
        return {**state, **shared}

    def forward(self, x: Tensor, quality: float | Tensor = 50.0) -> dict[str, Any]:
        """Code `x` (N, 3, H, W) as a measurement, at one quality or one for each picture."""
        latents = self.estimate(self.analyse(x, quality))
        return latents.output(self.synthesise(latents.y_hat, quality))

    def compress(self, x: Tensor, quality: float | Tensor = 50.0) -> Compressed:
        """Code pictures into streams."""
        return self.encode(self.analyse(x, quality))

    def decompress(self, compressed: Compressed, quality: float | Tensor = 50.0) -> dict[str, Tensor]:
        """Return {"x_hat": pictures in [0, 1]}; the quality must be the one they were coded with."""
        return {"x_hat": self.synthesise(self.decode(compressed), quality).clamp(0, 1)}

    def analyses(self, x: Tensor) -> Iterator[Tensor]:
        """Yield y at the lowest, the middle and the highest quality."""
        for quality in (1.0, 50.0, 100.0):
            yield self.analyse(x, quality)

    def analyse(self, x: Tensor, quality: float | Tensor = 50.0) -> Tensor:
        """Return y, scaled so that rounding it costs what the quality allows."""
        x, (gain, inverse) = x - 0.5, self._gains(quality, len(x))
        y = self.g_a(x)
        if count := self.config.rest:
            rest = self.rest_a(x - self.preview(y * gain * inverse))
            y = torch.cat((y[:, :-count], y[:, -count:] + rest), 1)
        return y * gain

    def synthesise(self, y_hat: Tensor, quality: float | Tensor = 50.0) -> Tensor:
        """Return pictures (N, 3, H, W), not clamped."""
        y_hat = y_hat * self._gains(quality, len(y_hat))[1]
        x = self.g_s(y_hat) + 0.5
        if count := self.config.rest:
            x = x + self.rest_s(y_hat[:, -count:])
        return x

    def lambda_of(self, quality: Tensor) -> Tensor:
        """Return the rate-distortion trade-off that a quality was trained for."""
        low, high = self.config.lambdas
        return low * (high / low) ** ((quality - 1) / 99)

    def _gains(self, quality: float | Tensor, count: int) -> tuple[Tensor, Tensor]:
        gain = self.gains.log_gain
        tensor = torch.as_tensor(quality, dtype=gain.dtype, device=gain.device)
        return self.gains(tensor.expand(count))
