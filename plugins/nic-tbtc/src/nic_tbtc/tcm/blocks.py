"""What the transforms and the context of TCM are made of; shapes are (N, C, H, W)."""

from collections.abc import Sequence

import torch
from nic_nn.nets.compressai_parts import AttentionBlock, ResidualBlock
from nic_nn.nets.layers import Pointwise
from nic_nn.nets.swin import SwinBlock, SwinStage, ToPlanes, ToPositions
from nic_nn.nets.timm_parts import DropPath
from torch import Tensor, nn


class MixedBlock(nn.Module):
    """Half of the channels through convolutions, half through windows of attention, and a residual around both (3.2).

    width: channels of each half. heads, window, shift: see `SwinBlock`.
    drop_path: how likely each sum of the Swin block leaves a picture out in training.
    """

    def __init__(self, width: int, heads: int, window: int, shift: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.enter = Pointwise(2 * width, 2 * width)
        self.convolutions = ResidualBlock(width, width)
        self.attention = SwinBlock(width, heads, window, shift, drop_path=DropPath(drop_path) if drop_path else None)
        self.leave = Pointwise(2 * width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        near, far = self.enter(x).chunk(2, 1)
        near = near + self.convolutions(near)
        far = self.attention(far.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x + self.leave(torch.cat([near, far], 1))


def mixed_stage(width: int, heads: int, window: int, drop_paths: Sequence[float]) -> list[nn.Module]:
    """Return the blocks of one scale, one for each of `drop_paths`; every second one is shifted by half a window."""
    return [MixedBlock(width, heads, window, window // 2 * (i % 2), drop) for i, drop in enumerate(drop_paths)]


class SwinGate(AttentionBlock):
    """Cheng et al.'s attention (CVPR 2020) whose gate looks through two Swin blocks; keeps the shape."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__(width)
        gate = self.get_submodule("conv_b").children()
        self.conv_b = nn.Sequential(ToPositions(), SwinStage(width, 2, heads, window), ToPlanes(), *gate)


def squeezed_attention(channels: int, width: int, heads: int, window: int) -> nn.Sequential:
    """Return attention at fewer channels than it takes and gives, the paper's SWAtten (section 3.3)."""
    return nn.Sequential(Pointwise(channels, width), SwinGate(width, heads, window), Pointwise(width, channels))
