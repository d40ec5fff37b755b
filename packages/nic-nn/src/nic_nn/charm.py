"""ChARM: channel-wise autoregressive context (Minnen and Singh, ICIP 2020; as in Zhu et al., ICLR 2022, figure 12)."""

import torch
from torch import Tensor, nn

from nic_nn.latent import Context, Params, slices_of
from nic_nn.layers import conv_chain


def slice_net(inputs: int, outputs: int) -> nn.Sequential:
    """Return three 3x3 convolutions whose widths go from `inputs` to `outputs` in equal steps."""
    first = inputs + (outputs - inputs) // 3
    second = inputs + 2 * (outputs - inputs) // 3
    return conv_chain((inputs, first, second, outputs), 3)


class Charm(nn.Module):
    """Predicts y slice by slice: each slice from its part of the hyper-synthesis and from all slices before it.

    channels: of y, a multiple of width. width: channels of a slice.
    """

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        if channels % width:
            raise ValueError(f"{channels} channels do not divide into slices of {width}")
        self.slices = slices_of([width] * (channels // width))
        self.means = nn.ModuleList(slice_net(channels.stop, width) for channels in self.slices)
        self.scales = nn.ModuleList(slice_net(channels.stop, width) for channels in self.slices)

    def steps(self, hyper: Tensor) -> Context:
        """Run the context on the output of the hyper-synthesis, (N, 2C, h, w), scales first; return y_hat."""
        hyper_scale, hyper_mean = hyper.chunk(2, 1)
        decoded: list[Tensor] = []
        for channels, mean_net, scale_net in zip(self.slices, self.means, self.scales, strict=True):
            mean = mean_net(support(hyper_mean[:, channels], decoded))
            scale = scale_net(support(hyper_scale[:, channels], decoded))
            decoded.append((yield Params(mean, scale, channels)))
        return torch.cat(decoded, 1)


def support(hyper: Tensor, decoded: list[Tensor]) -> Tensor:
    """Return what a slice net sees."""
    # One memory format whatever the inputs': encoder and decoder must run the same kernels to get the same floats.
    return torch.cat([hyper, *decoded], 1).contiguous(memory_format=torch.channels_last)
