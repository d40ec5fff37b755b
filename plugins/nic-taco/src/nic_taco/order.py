"""The order in which y is coded: uneven slices, each in two passes over a checkerboard (ELIC, section 3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from nic_latent.orders.context import Context, Nets, Value, checkerboard, slices_of, within


@dataclass(frozen=True)
class TacoOrder:
    """Slice after slice, odd row + column first; each sees the hyper-synthesis and all slices before it.

    sizes: channels of each slice.
    """

    sizes: Sequence[int]

    def __call__(self, nets: Nets, hyper: Value) -> Context:
        """Run the order on the output of the hyper-synthesis."""
        decoded: list[Value] = []
        for index, channels in enumerate(slices_of(self.sizes)):
            decoded.append((yield from _slice(within(nets, f"contexts.{index}"), hyper, decoded, channels)))
        return decoded


def _slice(nets: Nets, hyper: Value, decoded: list[Value], channels: slice) -> Context:
    support = [nets("earlier", *decoded), hyper] if decoded else [hyper]

    def rest(anchors: Value) -> Value:
        return nets("rest", nets("around", anchors), *support)

    return (yield from checkerboard(nets("anchors", *support), rest, channels, parity=1))
