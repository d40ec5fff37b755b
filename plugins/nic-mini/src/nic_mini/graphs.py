"""The codec `mini` without torch: the graphs in its weights, handed the quality."""

from typing import Any

import numpy as np
from nic_latent.config import from_json
from nic_latent.graph_codec import GraphCodec
from nic_latent.orders.context import Order
from nic_latent.tiles.geometry import Reach

from nic_mini.config import MiniConfig
from nic_mini.order import MiniOrder


class MiniGraphs(GraphCodec):
    """See `nic_mini.model`."""

    tile = 2048

    def coding(self, config: dict[str, Any]) -> tuple[Order, int]:
        """Return how y is coded, and its channels."""
        sizes = from_json(MiniConfig, config).slices
        return MiniOrder(sizes), sum(sizes)

    @property
    def reach(self) -> Reach:
        """See `TiledCodec.reach`."""
        return from_json(MiniConfig, self.info.config).reach

    def inputs(self, quality: float | None, options: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the quality, on which the gains depend."""
        return {"quality": np.array([50.0 if quality is None else quality], np.float32)}
