"""The codec `mini`: the shared latent codec, with the quality handed to the model's gains."""

from typing import Any

import torch
from nic_latent.config import from_json
from nic_latent.tiles.geometry import Reach
from nic_nn.codec import LatentCodec
from torch import Tensor

from nic_mini.config import MiniConfig
from nic_mini.model import Mini


class MiniCodec(LatentCodec):
    """See `nic_mini.model`."""

    loaded: Mini
    tile = 2048
    window = 1024

    @staticmethod
    def build(config: dict[str, Any]) -> Mini:
        """Return the model of a config."""
        return Mini(from_json(MiniConfig, config))

    @property
    def reach(self) -> Reach:
        """See `TiledCodec.reach`."""
        return self.loaded.config.reach

    def analyse(self, x: Tensor, quality: float | None, options: dict[str, Any]) -> Tensor:
        """Return y at a quality."""
        return self.loaded.analyse(x, 50.0 if quality is None else quality)

    def tradeoff(self, quality: float | None) -> float:
        """Return the lambda that a quality was trained for."""
        return float(self.loaded.lambda_of(torch.tensor(50.0 if quality is None else quality)))

    def synthesise(self, y_hat: Tensor, quality: float | None, options: dict[str, Any]) -> Tensor:
        """Synthesise at the quality that the file records."""
        return self.loaded.synthesise(y_hat, 50.0 if quality is None else quality)
