"""The codec `textsketch-ntc`: the shared latent codec around `nic_textsketch.sketches.model.SketchModel`."""

from typing import Any

from nic_latent.config import from_json
from nic_latent.tiles.geometry import Reach
from nic_nn.codec import LatentCodec

from nic_textsketch.config import REACH, SketchConfig
from nic_textsketch.sketches.model import SketchModel


class SketchCodec(LatentCodec):
    """See `nic_textsketch.sketches.model`."""

    @property
    def reach(self) -> Reach:
        """See `TiledCodec.reach`."""
        return REACH

    @staticmethod
    def build(config: dict[str, Any]) -> SketchModel:
        """Return the model of a config, without weights."""
        return SketchModel(from_json(SketchConfig, config))
