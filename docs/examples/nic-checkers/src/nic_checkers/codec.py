"""The codec: nic-nn's, around the model."""

from typing import Any

from nic_latent.config import from_json
from nic_latent.tiles.geometry import Reach
from nic_nn.codec import LatentCodec

from nic_checkers.config import REACH, CheckersConfig
from nic_checkers.model import Checkers


class CheckersCodec(LatentCodec):
    """See `nic_checkers.model`."""

    @property
    def reach(self) -> Reach:
        """See `TiledCodec.reach`."""
        return REACH

    @staticmethod
    def build(config: dict[str, Any]) -> Checkers:
        """Return the model of a config, without weights."""
        return Checkers(from_json(CheckersConfig, config))
