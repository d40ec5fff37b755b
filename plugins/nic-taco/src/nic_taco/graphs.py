"""The codec `taco` with the graph of its synthesis transform; encoding reads a caption, for which torch is needed."""

from functools import cached_property
from typing import Any

import numpy as np
from nic_core.codec import Coded, PixelCodec
from nic_core.errors import NicError
from nic_core.format.tiling import Tiling
from nic_core.pictures.strips import Pixels
from nic_latent.config import from_json
from nic_latent.graph_codec import GraphCodec
from nic_latent.orders.context import Order
from nic_latent.tiles.geometry import Reach

from nic_taco.config import REACH, TacoConfig
from nic_taco.order import TacoOrder


class TacoGraphs(GraphCodec):
    """See `nic_taco.model`."""

    @property
    def reach(self) -> Reach:
        """See `TiledCodec.reach`."""
        return REACH

    def coding(self, config: dict[str, Any]) -> tuple[Order, int]:
        """Return how y is coded, and its channels."""
        slices = from_json(TacoConfig, config).slices
        return TacoOrder(slices), sum(slices)

    @cached_property
    def encoder(self) -> PixelCodec:
        """The codec that encodes; NicError where torch is not installed."""
        try:
            from nic_taco.codec import TacoCodec
        except ModuleNotFoundError as error:
            raise NicError("encoding with taco reads a caption, which needs torch: pip install torch") from error
        return TacoCodec(self.path, self.info, self.device)

    def compress(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> Coded:
        """See `PixelCodec.compress`."""
        return self.encoder.compress(pixels, quality, options)

    def compress_tiles(self, pixels: Pixels, tiling: Tiling, quality: float | None, options: dict[str, Any]) -> Coded:
        """See `PixelCodec.compress_tiles`."""
        return self.encoder.compress_tiles(pixels, tiling, quality, options)
