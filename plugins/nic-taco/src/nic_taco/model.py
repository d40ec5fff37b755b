"""TACO: text-adaptive compression (Lee et al., Neural Image Compression with Text-guided Encoding, ICML 2024).

The transforms and the context are ELIC's (He et al., CVPR 2022). What TACO adds stands in the analysis transform: two
injectors let every position of the picture attend to the tokens of a caption, and an extractor between them lets the
tokens attend to the picture (section 3.2). Synthesis and context see y_hat alone, so files decode without text.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from nic_nn.compressai_parts import AttentionBlock
from nic_nn.latent import Context, checkerboard, slices_of
from nic_nn.layers import ResidualBottleneck, ToPixels, conv, conv_chain, deconv
from nic_nn.model import Compressed, LatentModel
from torch import Tensor, nn

from nic_taco.config import HEADS, TacoConfig


class Injector(nn.Module):
    """Normalised picture features + gain * what each position finds in the text; the gain starts at zero.

    channels: of the picture features (N, channels, H, W). text_width: of the text features (N or 1, T, text_width).
    """

    def __init__(self, channels: int, text_width: int) -> None:
        super().__init__()
        self.text_projection = nn.Linear(text_width, channels)
        nn.init.kaiming_normal_(self.text_projection.weight)
        self.image_norm = nn.LayerNorm(channels)
        self.text_norm = nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, HEADS, batch_first=True)
        self.gamma = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, text: Tensor | None) -> Tensor:
        """Return picture features; without text, the normalised ones."""
        positions = self.image_norm(x.flatten(2).transpose(1, 2))
        if text is not None:
            tokens = self.text_norm(self.text_projection(text))
            positions = positions + self.gamma * attend(self.attention, positions, tokens)
        return positions.transpose(1, 2).unflatten(2, x.shape[2:])


class Extractor(nn.Module):
    """Normalised text features + what each token finds in the picture; shapes as for `Injector`."""

    def __init__(self, channels: int, text_width: int) -> None:
        super().__init__()
        self.image_projection = nn.Linear(channels, text_width)
        nn.init.kaiming_normal_(self.image_projection.weight)
        self.image_norm = nn.LayerNorm(text_width)
        self.text_norm = nn.LayerNorm(text_width)
        self.attention = nn.MultiheadAttention(text_width, HEADS, batch_first=True)

    def forward(self, x: Tensor, text: Tensor | None) -> Tensor | None:
        """Return text features, (N, T, text_width)."""
        if text is None:
            return None
        tokens = self.text_norm(text).expand(len(x), -1, -1)
        positions = self.image_norm(self.image_projection(x.flatten(2).transpose(1, 2)))
        return tokens + attend(self.attention, tokens, positions)


def attend(attention: nn.MultiheadAttention, queries: Tensor, keys: Tensor) -> Tensor:
    """Return what queries (N, Q, C) find among keys (N or 1, K, C), which are the values too."""
    keys = keys.expand(len(queries), -1, -1)
    # Without the weights, no Q x K matrix is ever in memory.
    return attention(queries, keys, keys, need_weights=False)[0]


class Analysis(nn.Sequential):
    """g_a: layers in a row, among which injectors and extractors see the text as well."""

    def forward(self, x: Tensor, text: Tensor | None = None) -> Tensor:
        """Return y of pictures (N, 3, H, W) and text features (N or 1, T, text_width)."""
        for layer in self:
            if isinstance(layer, Injector):
                x = layer(x, text)
            elif isinstance(layer, Extractor):
                text = layer(x, text)
            else:
                x = layer(x)
        return x


class SliceContext(nn.Module):
    """Predicts one slice of y in two passes over a checkerboard (ELIC, section 3.3), each at its own positions only.

    hyper: channels of the hyper-synthesis; earlier: of all slices before this one; channels: of the slice.
    widths: of the net over the earlier slices.
    """

    def __init__(self, hyper: int, earlier: int, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        outputs = 2 * channels
        self.earlier = conv_chain((earlier, *widths, outputs), 5) if earlier else None
        self.around = conv(channels, outputs, 5, 1)
        support = hyper + outputs if earlier else hyper
        inner = outputs * 5 // 3, outputs * 4 // 3
        self.anchors = conv_chain((support, *inner, outputs), 1)
        self.rest = conv_chain((outputs + support, *inner, outputs), 1)

    def steps(self, hyper: Tensor, decoded: list[Tensor], channels: slice) -> Context:
        """Code the slice, anchors (odd row + column) first, and return it whole."""
        support = hyper if self.earlier is None else torch.cat([self.earlier(torch.cat(decoded, 1)), hyper], 1)

        def rest(anchors: Tensor) -> Tensor:
            return unpacked(self.rest(torch.cat([self.packed_around(anchors), packed(support, 0)], 1)), 0)

        return (yield from checkerboard(unpacked(self.anchors(packed(support, 1)), 1), rest, channels, parity=1))

    def packed_around(self, anchors: Tensor) -> Tensor:
        """Return packed(self.around(anchors), 0) without computing the other half."""
        weight, bias = self.around.weight, self.around.bias
        even_rows = F.conv2d(anchors, weight, bias, 2, 2)
        odd_rows = F.conv2d(F.pad(anchors, (1, 2, 1, 2)), weight, bias, 2)
        return torch.cat([even_rows, odd_rows], 2)


def packed(x: Tensor, parity: int) -> Tensor:
    """Return the positions with (row + column) % 2 == parity, (N, C, h, w / 2): even rows above odd ones."""
    return torch.cat([x[..., ::2, parity::2], x[..., 1::2, 1 - parity :: 2]], 2)


def unpacked(x: Tensor, parity: int) -> Tensor:
    """Return what `packed` packed, (N, C, h, w), with zeros at the other positions."""
    count, channels, height, width = x.shape
    whole = x.new_zeros(count, height, 2 * width, channels).permute(0, 3, 1, 2)  # channels last, as convolutions give
    whole[..., ::2, parity::2], whole[..., 1::2, 1 - parity :: 2] = x.chunk(2, 2)
    return whole


class Taco(LatentModel):
    """The model; see `nic_nn.model.LatentModel` for what it takes and returns.

    `text_embedding` is a text encoder's token features, (N or 1, T, text_width). None leaves the text out: injectors
    then only normalise. A codec always gives one, of the empty caption where there is none.
    """

    def __init__(self, config: TacoConfig) -> None:
        width, latent, text = config.width, config.latent, config.text_width
        super().__init__((latent, width))
        self.config = config
        self.g_a = Analysis(
            *[conv(3, width), *bottlenecks(width)],
            *[conv(width, width), *bottlenecks(width), Injector(width, text), AttentionBlock(width)],
            *[conv(width, width), *bottlenecks(width), Extractor(width, text), Injector(width, text)],
            *[conv(width, latent), AttentionBlock(latent)],
        )
        self.g_s = nn.Sequential(
            *[AttentionBlock(latent), deconv(latent, width), *bottlenecks(width)],
            *[deconv(width, width), AttentionBlock(width), *bottlenecks(width)],
            *[deconv(width, width), *bottlenecks(width)],
            ToPixels(width),
        )
        self.h_a = nn.Sequential(
            *[conv(latent, width, 3, 1), nn.ReLU(inplace=True)],
            *[conv(width, width), nn.ReLU(inplace=True)],
            conv(width, width),
        )
        self.h_s = nn.Sequential(
            *[deconv(width, latent), nn.ReLU(inplace=True)],
            *[deconv(latent, latent * 3 // 2), nn.ReLU(inplace=True)],
            deconv(latent * 3 // 2, 2 * latent, 3, 1),
        )
        self.slices = slices_of(config.slices)
        self.contexts = nn.ModuleList(
            SliceContext(2 * latent, s.start, s.stop - s.start, config.context_widths) for s in self.slices
        )
        # Faster, and with the weights so no input's format can make encoder and decoder run different kernels.
        self.to(memory_format=torch.channels_last)

    def context(self, hyper: Tensor) -> Context:
        """Slice after slice; each sees the hyper-synthesis and all slices before it."""
        decoded: list[Tensor] = []
        for channels, predict in zip(self.slices, self.contexts, strict=True):
            decoded.append((yield from cast(SliceContext, predict).steps(hyper, decoded, channels)))
        return torch.cat(decoded, 1)

    def forward(self, x: Tensor, text_embedding: Tensor | None = None) -> dict[str, Any]:
        """Code `x` (N, 3, H, W) as a measurement."""
        latents = self.estimate(self.g_a(x, text_embedding))
        return latents.output(self.g_s(latents.y_hat))

    def compress(self, x: Tensor, text_embedding: Tensor | None = None) -> Compressed:
        """Code pictures into streams."""
        return self.encode(self.g_a(x, text_embedding))


def bottlenecks(channels: int) -> list[nn.Module]:
    """Return the three residual blocks of a stage."""
    return [ResidualBottleneck(channels) for _ in range(3)]
