"""TACO: text-adaptive compression (Lee et al., Neural Image Compression with Text-guided Encoding, ICML 2024).

The transforms and the context are ELIC's (He et al., CVPR 2022). What TACO adds stands in the analysis transform: two
injectors let every position of the picture attend to the tokens of a caption, and an extractor between them lets the
tokens attend to the picture (section 3.2). Synthesis and context see y_hat alone, so files decode without text.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import torch
from nic_latent.graphs import SYNTHESIS
from nic_latent.orders.context import slices_of
from nic_nn.model import Compressed, LatentModel
from nic_nn.nets.checkerboard import Packed, PackedConv, Unpacked
from nic_nn.nets.compressai_parts import AttentionBlock
from nic_nn.nets.layers import ResidualBottleneck, ToPixels, conv, conv_chain, deconv
from torch import Tensor, nn

from nic_taco.config import HEADS, TacoConfig
from nic_taco.order import TacoOrder


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


def at_parity(parity: int, layers: Iterable[nn.Module]) -> nn.Sequential:
    """Return layers that are computed at one colour of a checkerboard only; zero elsewhere. parity: of row + column."""
    between = ((str(index), layer) for index, layer in enumerate(layers))
    return nn.Sequential(OrderedDict([("pack", Packed(parity)), *between, ("unpack", Unpacked(parity))]))


class SliceContext(nn.Module):
    """The nets that predict one slice of y; see `nic_taco.order`.

    hyper: channels of the hyper-synthesis; earlier: of all slices before this one; channels: of the slice.
    widths: of the net over the earlier slices.
    """

    def __init__(self, hyper: int, earlier: int, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        outputs = 2 * channels
        self.earlier = conv_chain((earlier, *widths, outputs), 5) if earlier else None
        self.around = nn.Sequential(OrderedDict(conv=PackedConv(channels, outputs, 5, parity=0), unpack=Unpacked(0)))
        support = hyper + outputs if earlier else hyper
        inner = outputs * 5 // 3, outputs * 4 // 3
        self.anchors = at_parity(1, conv_chain((support, *inner, outputs), 1))
        self.rest = at_parity(0, conv_chain((outputs + support, *inner, outputs), 1))


class Taco(LatentModel):
    """The model; see `nic_nn.model.LatentModel` for what it takes and returns.

    `text_embedding` is a text encoder's token features, (N or 1, T, text_width). None leaves the text out: injectors
    then only normalise. A codec always gives one, of the empty caption where there is none.
    """

    graphs = (SYNTHESIS,)  # the analysis transform reads a caption

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
        self.order = TacoOrder(config.slices)
        self.contexts = nn.ModuleList(
            SliceContext(2 * latent, s.start, s.stop - s.start, config.context_widths) for s in slices_of(config.slices)
        )
        # Faster, and with the weights so no input's format can make encoder and decoder run different kernels.
        self.to(memory_format=torch.channels_last)

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
