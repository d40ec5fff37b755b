"""The codec `egic`: the shared latent codec around `nic_egic.model.Egic`, with a choice of realism in decoding."""

from typing import Any

from nic_latent.config import from_json
from nic_nn.codec import LatentCodec
from torch import Tensor

from nic_egic.config import EgicConfig
from nic_egic.model import Egic


class EgicCodec(LatentCodec):
    """See `nic_egic.model`. A file says nothing of realism: any weights with its entropy model decode it."""

    loaded: Egic

    @staticmethod
    def build(config: dict[str, Any]) -> Egic:
        """Return the model of a config, without weights."""
        return Egic(from_json(EgicConfig, config))

    def synthesise(self, y_hat: Tensor, quality: float | None, options: dict[str, Any]) -> Tensor:
        """Synthesise a padded picture (1, 3, H, W); BadOption for a realism that the weights do not have."""
        return self.loaded.g_s(y_hat, options["realism"])

    def tried(self, y_hat: Tensor, quality: float | None) -> Tensor:
        """Synthesise what an effort compares: with least distortion, where the weights have a head for it."""
        return self.loaded.g_s(y_hat, 0.0 if self.loaded.config.orp else 1.0)
