"""The codecs `tbtc-*`: the shared latent codec around `nic_tbtc.model.Tbtc`."""

from typing import Any

from nic_latent.config import from_json
from nic_latent.tiles.geometry import Reach
from nic_nn.codec import LatentCodec

from nic_tbtc.config import TbtcConfig, reach_of
from nic_tbtc.model import Tbtc


class TbtcCodec(LatentCodec):
    """One class for all four; the config says which."""

    @property
    def reach(self) -> Reach:
        """See `TiledCodec.reach`."""
        return reach_of(self.info.codec)

    @staticmethod
    def build(config: dict[str, Any]) -> Tbtc:
        """Return the model of a config, without weights."""
        return Tbtc(from_json(TbtcConfig, config))
