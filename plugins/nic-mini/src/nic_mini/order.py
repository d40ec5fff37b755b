"""The order in which y is coded: slices, each in two passes over a checkerboard (ELIC, section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from nic_latent.orders.context import Context, Nets, Value, checkerboard, slices_of, within


@dataclass(frozen=True)
class MiniOrder:
    """Slice after slice; each sees the hyper features and all slices before it, its second pass the first one too.

    sizes: channels of each slice.
    """

    sizes: Sequence[int]

    def __call__(self, nets: Nets, hyper: Value) -> Context:
        """Run the order on the hyper features."""
        decoded: list[Value] = []
        for index, channels in enumerate(slices_of(self.sizes)):
            decoded.append((yield from _slice(within(nets, f"contexts.{index}"), channels, hyper, *decoded)))
        return decoded


def _slice(nets: Nets, channels: slice, *seen: Value) -> Context:
    support = nets("support", *seen)

    def rest(anchors: Value) -> Value:
        return nets("rest", support, nets("around", anchors, parity=1), parity=1)

    return (yield from checkerboard(nets("anchors", support, parity=0), rest, channels))
