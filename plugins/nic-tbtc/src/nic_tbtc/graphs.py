"""The convolutional codecs of `nic_tbtc.model` without torch: the graphs in their weights."""

from typing import Any

from nic_latent.config import from_json
from nic_latent.graph_codec import GraphCodec
from nic_latent.orders.charm import CharmOrder
from nic_latent.orders.context import Order, at_once
from nic_latent.tiles.geometry import Reach

from nic_tbtc.config import CONV_REACH, SLICE, TbtcConfig


class TbtcGraphs(GraphCodec):
    """See `nic_tbtc.codec.TbtcCodec`."""

    @property
    def reach(self) -> Reach:
        """See `TiledCodec.reach`."""
        return CONV_REACH

    def coding(self, config: dict[str, Any]) -> tuple[Order, int]:
        """Return how y is coded, and its channels."""
        read = from_json(TbtcConfig, config)
        channels = read.widths[-1]
        return CharmOrder([SLICE] * (channels // SLICE)) if read.context == "charm" else at_once, channels
