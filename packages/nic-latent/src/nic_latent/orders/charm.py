"""ChARM's order: slice after slice along the channels (Minnen and Singh, ICIP 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass

from nic_latent.orders.context import Context, Nets, Params, Value, slices_of


@dataclass(frozen=True)
class CharmOrder:
    """Each slice is predicted from its part of the hyper-synthesis and from slices before it.

    sizes: channels of each slice. support: how many slices, counted from the first, later ones see at most; None for
    all before them. means_first: whether the hyper-synthesis gives means before scales.
    scale_is_index: see `Params`. name: of the module whose "means" and "scales" are the slices' nets.
    """

    sizes: Sequence[int]
    support: int | None = None
    means_first: bool = False
    scale_is_index: bool = False
    name: str = "charm"

    def __call__(self, nets: Nets, hyper: Value) -> Context:
        """Run the order on the output of the hyper-synthesis, twice as many channels as y."""
        first, second = hyper.chunk(2, 1)
        hyper_mean, hyper_scale = (first, second) if self.means_first else (second, first)
        decoded: list[Value] = []
        for index, channels in enumerate(slices_of(self.sizes)):
            seen = decoded[: self.support]
            mean = nets(f"{self.name}.means.{index}", hyper_mean[:, channels], *seen)
            scale = nets(f"{self.name}.scales.{index}", hyper_scale[:, channels], *seen)
            decoded.append((yield Params(mean, scale, channels, scale_is_index=self.scale_is_index)))
        return decoded
