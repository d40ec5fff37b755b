"""The codec `cca`: the shared latent codec around `nic_cca.model.Cca`."""

from typing import Any

from nic_latent.config import from_json
from nic_nn.codec import LatentCodec

from nic_cca.config import CcaConfig
from nic_cca.model import Cca


class CcaCodec(LatentCodec):
    """See `nic_cca.model`."""

    @staticmethod
    def build(config: dict[str, Any]) -> Cca:
        """Return the model of a config, without weights."""
        return Cca(from_json(CcaConfig, config))
