"""How the models are trained: the paper's recipe, which is `RateDistortion` with its default values."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from nic_nn.training.batch import Batch
from nic_nn.training.networks import Networks
from nic_nn.training.recipe import LARGEST, Limits, RateDistortion
from nic_nn.training.start import Start, read_published
from torch import Tensor

from nic_tbtc.config import Size, TbtcConfig
from nic_tbtc.importer import importer
from nic_tbtc.model import Tbtc


@dataclass(frozen=True)
class TbtcRecipe(RateDistortion):
    """See `RateDistortion`.

    size: S, M or L.
    beta: above 0 the loss is 255^2 * MSE + beta * bits, of whole crops, and `lmbda` is not used: the paper's form.
    """

    val_crop: int = 1024
    mirror: bool = False
    size: Size = "M"
    beta: float = 0.0

    limits: ClassVar[Limits] = {**RateDistortion.limits, "beta": (0, LARGEST)}

    @property
    def tradeoff(self) -> float:
        """The weight of the distortion against a bit per pixel."""
        return 1 / (self.beta * self.crop**2) if self.beta else self.lmbda

    def base_config(self) -> TbtcConfig:
        """Return the config of the codec and the size."""
        return TbtcConfig.of(self.codec, self.size)

    def build_model(self) -> Tbtc:
        """Return a fresh model."""
        return Tbtc(self.config)

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars for one batch: "loss" is minimised, the others are shown."""
        if not self.beta:
            return super().loss(networks, batch)
        # D + beta * bits is so many times lambda * D + bpp, with this lambda.
        weight = self.beta * batch.pixels.shape[2] * batch.pixels.shape[3]
        values = replace(self, beta=0.0, lmbda=1 / weight).loss(networks, batch)
        return {**values, "loss": weight * values["loss"]}

    def published(self, path: Path) -> Start:
        """Return what a checkpoint of the public implementation holds."""
        return read_published(importer(self.codec), path)
