"""ChARM: channel-wise autoregressive context (Minnen and Singh, ICIP 2020; as in Zhu et al., ICLR 2022, figure 12)."""

from collections.abc import Sequence

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
    """Predicts y slice by slice: each slice from its part of the hyper-synthesis and from slices before it.

    channels: of y, a multiple of width. width: channels of a slice.
    support: how many slices, counted from the first, later ones see at most; None for all before them.
    hidden: widths of the hidden layers of each slice's nets; None for equal steps as in `slice_net`.
    means_first: whether the hyper-synthesis gives means before scales.
    scale_is_index: whether the scale nets predict positions on the prior's ladder, see `Params`.
    """

    def __init__(
        self,
        channels: int,
        width: int = 32,
        *,
        support: int | None = None,
        hidden: Sequence[Sequence[int]] | None = None,
        means_first: bool = False,
        scale_is_index: bool = False,
    ) -> None:
        super().__init__()
        if channels % width:
            raise ValueError(f"{channels} channels do not divide into slices of {width}")
        self.slices = slices_of([width] * (channels // width))
        self.support, self.means_first, self.scale_is_index = support, means_first, scale_is_index
        inputs = [width * (1 + len(self.slices[:index][:support])) for index in range(len(self.slices))]

        def nets() -> nn.ModuleList:
            if hidden is None:
                return nn.ModuleList(slice_net(count, width) for count in inputs)
            chains = [(count, *between, width) for count, between in zip(inputs, hidden, strict=True)]
            return nn.ModuleList(conv_chain(chain, 3) for chain in chains)

        self.means, self.scales = nets(), nets()

    def steps(self, hyper: Tensor) -> Context:
        """Run the context on the output of the hyper-synthesis, (N, 2C, h, w); return y_hat."""
        first, second = hyper.chunk(2, 1)
        hyper_mean, hyper_scale = (first, second) if self.means_first else (second, first)
        decoded: list[Tensor] = []
        for channels, mean_net, scale_net in zip(self.slices, self.means, self.scales, strict=True):
            seen = decoded[: self.support]
            mean = mean_net(net_input(hyper_mean[:, channels], seen))
            scale = scale_net(net_input(hyper_scale[:, channels], seen))
            decoded.append((yield Params(mean, scale, channels, scale_is_index=self.scale_is_index)))
        return torch.cat(decoded, 1)


def net_input(hyper: Tensor, decoded: list[Tensor]) -> Tensor:
    """Return what a slice net sees."""
    # One memory format whatever the inputs': encoder and decoder must run the same kernels to get the same floats.
    return torch.cat([hyper, *decoded], 1).contiguous(memory_format=torch.channels_last)
