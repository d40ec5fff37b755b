"""The codec without torch: the transforms are graphs in the weights file, and the order runs over integers anyway."""

from typing import Any

from nic_latent.config import from_json
from nic_latent.graph_codec import GraphCodec
from nic_latent.orders.context import Order
from nic_latent.tiles.geometry import Reach

from nic_checkers.config import REACH, CheckersConfig
from nic_checkers.order import two_passes


class CheckersGraphs(GraphCodec):
    """See `nic_checkers.codec`."""

    @property
    def reach(self) -> Reach:
        """See `TiledCodec.reach`."""
        return REACH

    def coding(self, config: dict[str, Any]) -> tuple[Order, int]:
        """Return how y is coded, and its channels."""
        return two_passes, from_json(CheckersConfig, config).latent
