"""How the models are trained: the paper's recipe, which is `RateDistortion` with its default values."""

from dataclasses import dataclass
from pathlib import Path

from nic_nn.training.recipe import RateDistortion
from nic_nn.training.start import Start, read_published

from nic_tbtc.config import Size, TbtcConfig
from nic_tbtc.importer import importer
from nic_tbtc.model import Tbtc


@dataclass(frozen=True)
class TbtcRecipe(RateDistortion):
    """See `RateDistortion`. size: S, M or L."""

    val_crop: int = 1024
    size: Size = "M"

    def build_model(self) -> Tbtc:
        """Return a fresh model."""
        return Tbtc(TbtcConfig.of(self.codec, self.size))

    def published(self, path: Path) -> Start:
        """Return what a checkpoint of the public implementation holds."""
        return read_published(importer(self.codec), path)
