"""The codec `textsketch-ntc` without torch: the graphs in its weights."""

from typing import Any

from nic_latent.config import from_json
from nic_latent.graph_codec import GraphCodec
from nic_latent.orders.context import Order
from nic_latent.raster import RasterOrder
from nic_latent.tiles.geometry import Reach

from nic_textsketch.config import REACH, SketchConfig


class SketchGraphs(GraphCodec):
    """See `nic_textsketch.sketches.model`."""

    picture_channels = 1

    @property
    def reach(self) -> Reach:
        """See `TiledCodec.reach`."""
        return REACH

    def coding(self, config: dict[str, Any]) -> tuple[Order, int]:
        """Return how y is coded, and its channels."""
        return RasterOrder(), from_json(SketchConfig, config).width
