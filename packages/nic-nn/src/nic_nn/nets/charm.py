"""ChARM: channel-wise autoregressive context (Minnen and Singh, ICIP 2020; as in Zhu et al., ICLR 2022, figure 12)."""

from collections.abc import Sequence

from nic_latent.orders.charm import CharmOrder
from torch import nn

from nic_nn.nets.layers import conv_chain


def slice_net(inputs: int, outputs: int) -> nn.Sequential:
    """Return three 3x3 convolutions whose widths go from `inputs` to `outputs` in equal steps."""
    first = inputs + (outputs - inputs) // 3
    second = inputs + 2 * (outputs - inputs) // 3
    return conv_chain((inputs, first, second, outputs), 3)


class Charm(nn.Module):
    """The nets of `nic_latent.orders.charm.CharmOrder`, which is its `order`.

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
        sizes = [width] * (channels // width)
        self.order = CharmOrder(sizes, support, means_first, scale_is_index)
        inputs = [width * (1 + len(sizes[:index][:support])) for index in range(len(sizes))]

        def nets() -> nn.ModuleList:
            if hidden is None:
                return nn.ModuleList(slice_net(count, width) for count in inputs)
            chains = [(count, *between, width) for count, between in zip(inputs, hidden, strict=True)]
            return nn.ModuleList(conv_chain(chain, 3) for chain in chains)

        self.means, self.scales = nets(), nets()
