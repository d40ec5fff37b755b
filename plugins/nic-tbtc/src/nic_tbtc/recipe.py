"""How the models are trained: the paper's recipe, which is `RateDistortion` with its default values."""

from dataclasses import dataclass

from nic_nn.training.recipe import RateDistortion

from nic_tbtc.config import Size, TbtcConfig
from nic_tbtc.model import Tbtc


@dataclass(frozen=True)
class TbtcRecipe(RateDistortion):
    """See `RateDistortion`. size: S, M or L."""

    val_crop: int = 1024
    size: Size = "M"

    def build_model(self) -> Tbtc:
        """Return a fresh model."""
        return Tbtc(TbtcConfig.of(self.codec, self.size))
