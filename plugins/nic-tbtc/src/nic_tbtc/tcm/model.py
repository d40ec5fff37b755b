"""The model of Liu, Sun and Katto, Learned Image Compression with Mixed Transformer-CNN Architectures, CVPR 2023.

Sections are of that paper.
"""

from itertools import islice

import torch
from nic_latent.orders.lrp import LrpOrder
from nic_nn.lrp import HyperSynthesis, SlicePredictor
from nic_nn.model import LatentModel
from nic_nn.nets.layers import conv
from nic_nn.nets.residual import Down, Up, subpixel
from torch import nn

from nic_tbtc.tcm.blocks import mixed_stage, squeezed_attention
from nic_tbtc.tcm.config import HYPER_WINDOW, WINDOW, TcmConfig

Stages = list[list[nn.Module]]
"""The mixed blocks of three scales."""


def analysis(config: TcmConfig, stages: Stages) -> nn.Sequential:
    """g_a: residual blocks of stride 2 and mixed stages in turns; x to y (3.2)."""
    first, second, third = stages
    width = 2 * config.width
    return nn.Sequential(
        Down(3, width),
        *first,
        Down(width, width),
        *second,
        Down(width, width),
        *third,
        conv(width, config.latent, 3),
    )


def synthesis(config: TcmConfig, stages: Stages) -> nn.Sequential:
    """g_s: the mirror of g_a; y_hat to x_hat."""
    first, second, third = stages
    width = 2 * config.width
    return nn.Sequential(
        Up(config.latent, width),
        *first,
        Up(width, width),
        *second,
        Up(width, width),
        *third,
        subpixel(width, 3),
    )


def mixed_stages(config: TcmConfig, drop_path: float = 0.0) -> Stages:
    """Return the mixed blocks of each scale, in the order of the config; drop_path: see `Tcm`."""
    rates = iter(torch.linspace(0, drop_path, sum(config.depths)).tolist())
    return [
        mixed_stage(config.width, config.width // head, WINDOW, list(islice(rates, depth)))
        for depth, head in zip(config.depths, config.head_widths, strict=True)
    ]


def hyper_stage(config: TcmConfig, depth: int) -> list[nn.Module]:
    """Return the mixed blocks at 1/32."""
    return mixed_stage(config.width, config.width // config.hyper_head_width, HYPER_WINDOW, [0.0] * depth)


def hyper_analysis(config: TcmConfig) -> nn.Sequential:
    """h_a: y to z."""
    width = 2 * config.width
    return nn.Sequential(
        Down(config.latent, width), *hyper_stage(config, config.depths[0]), conv(width, config.hyper, 3)
    )


def hyper_synthesis(config: TcmConfig) -> HyperSynthesis:
    """h_s: the mirror of h_a, for scales and for means."""
    width = 2 * config.width

    def branch() -> nn.Sequential:
        return nn.Sequential(
            Up(config.hyper, width), *hyper_stage(config, config.depths[3]), subpixel(width, config.latent)
        )

    return HyperSynthesis(branch(), branch())


def predictor(config: TcmConfig, index: int) -> SlicePredictor:
    """Return the nets of a slice, which sees all slices before it (3.3)."""
    size = config.latent // config.slices

    def attention(channels: int) -> nn.Sequential:
        heads = config.attention // config.attention_head_width
        return squeezed_attention(channels, config.attention, heads, WINDOW)

    return SlicePredictor(config.latent + index * size, size, attention, config.context)


class Tcm(LatentModel):
    """The model of a config; see `nic_nn.model.LatentModel` for what it takes and returns.

    drop_path: how likely the last block of g_s leaves either sum of its Swin block out for a picture in training; the
        rates of the blocks before it rise to that from zero.
    """

    graphs = ()  # torch.export takes no windows whose padding depends on the picture's size

    def __init__(self, config: TcmConfig, drop_path: float = 0.0) -> None:
        super().__init__((config.latent, config.hyper))
        self.config = config
        stages = mixed_stages(config, drop_path)
        self.g_a, self.g_s = analysis(config, stages[:3]), synthesis(config, stages[3:])
        self.h_a, self.h_s = hyper_analysis(config), hyper_synthesis(config)
        self.order = LrpOrder([config.latent // config.slices] * config.slices)
        self.predictors = nn.ModuleList(predictor(config, index) for index in range(config.slices))
        # Faster, and with the weights so no input's format can make encoder and decoder run different kernels.
        self.to(memory_format=torch.channels_last)
