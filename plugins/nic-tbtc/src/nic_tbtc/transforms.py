"""The two families of transforms: strided convolutions with GDN, and Swin transformers.

Each function returns one transform as a plain sequence of layers; shapes are (N, C, H, W) at both ends.
"""

from itertools import pairwise

from nic_nn.nets.gdn import GDN
from nic_nn.nets.layers import ToPixels, conv, deconv, interleave
from nic_nn.nets.swin import PatchMerging, PatchSplitting, SwinStage, ToPlanes, ToPositions
from torch import nn

from nic_tbtc.config import HEADS

SCALE = 32**-0.5
"""The attention scale of 32 channels a head, however many there are: a quirk of the published models' weights."""
WINDOW, HYPER_WINDOW = 8, 4


def conv_analysis(widths: tuple[int, ...]) -> nn.Sequential:
    """g_a: 5x5 convolutions of stride 2 with GDN between; x to y."""
    first, *others = [conv(*pair) for pair in pairwise((3, *widths))]
    norms = [GDN(width) for width in widths[:-1]]
    return nn.Sequential(first, *interleave(norms, others))


def conv_synthesis(widths: tuple[int, ...]) -> nn.Sequential:
    """g_s: transposed 5x5 convolutions with inverse GDN between; y_hat to x_hat."""
    first, *others = [deconv(*pair) for pair in pairwise(reversed(widths))]
    norms = [GDN(width, inverse=True) for width in reversed(widths[:-1])]
    return nn.Sequential(first, *interleave(norms, [*others, ToPixels(widths[0])]))


def conv_hyper_analysis(latent: int, widths: tuple[int, ...]) -> nn.Sequential:
    """h_a: a 3x3 convolution and two 5x5 of stride 2; y to z."""
    half, quarter = widths
    return nn.Sequential(
        conv(latent, half, 3, 1), nn.ReLU(inplace=True), conv(half, half), nn.ReLU(inplace=True), conv(half, quarter)
    )


def conv_hyper_synthesis(latent: int, widths: tuple[int, ...]) -> nn.Sequential:
    """h_s: two transposed 5x5 convolutions and a 3x3; z_hat to scales and means of y."""
    half, quarter = widths
    return nn.Sequential(
        deconv(quarter, half),
        nn.ReLU(inplace=True),
        deconv(half, half),
        nn.ReLU(inplace=True),
        conv(half, 2 * latent, 3, 1),
    )


def swint_analysis(inputs: int, widths: tuple[int, ...], depths: tuple[int, ...], window: int) -> nn.Sequential:
    """g_a and h_a: 2x2 patch embedding, then Swin stages with patch merging between."""
    embedding = nn.Conv2d(inputs, widths[0], 2, 2)
    stages = [SwinStage(width, depth, HEADS, window, SCALE) for width, depth in zip(widths, depths, strict=True)]
    mergings = [PatchMerging(*pair) for pair in pairwise(widths)]
    return nn.Sequential(embedding, ToPositions(), stages[0], *interleave(mergings, stages[1:]), ToPlanes())


def swint_synthesis(outputs: int, widths: tuple[int, ...], depths: tuple[int, ...], window: int) -> nn.Sequential:
    """g_s and h_s: Swin stages, each followed by patch splitting; widths and depths are the analysis's."""
    widths, depths = widths[::-1], depths[::-1]
    stages = [SwinStage(width, depth, HEADS, window, SCALE) for width, depth in zip(widths, depths, strict=True)]
    splittings = [PatchSplitting(*pair) for pair in pairwise((*widths, outputs))]
    return nn.Sequential(ToPositions(), *interleave(stages, splittings), ToPlanes())
