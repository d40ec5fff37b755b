"""The codec `tcm`: the shared latent codec around `nic_tbtc.tcm.model.Tcm`."""

from typing import Any

from nic_latent.config import from_json
from nic_latent.tiles.geometry import Reach
from nic_nn.codec import LatentCodec

from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.model import Tcm


class TcmCodec(LatentCodec):
    """See `nic_tbtc.tcm.model`."""

    loaded: Tcm
    tile = 1024

    @property
    def reach(self) -> Reach:
        """See `TiledCodec.reach`."""
        return self.loaded.config.reach

    @staticmethod
    def build(config: dict[str, Any]) -> Tcm:
        """Return the model of a config, without weights."""
        return Tcm(from_json(TcmConfig, config))
