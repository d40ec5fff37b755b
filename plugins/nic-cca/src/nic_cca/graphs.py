"""The codec `cca` without torch: the graphs in its weights."""

from typing import Any

from nic_latent.config import from_json
from nic_latent.graph_codec import GraphCodec
from nic_latent.orders.context import Order
from nic_latent.orders.lrp import LrpOrder

from nic_cca.config import CcaConfig


class CcaGraphs(GraphCodec):
    """See `nic_cca.model`."""

    def coding(self, config: dict[str, Any]) -> tuple[Order, int]:
        """Return how y is coded, and its channels."""
        slices = from_json(CcaConfig, config).slices
        return LrpOrder(slices), sum(slices)
