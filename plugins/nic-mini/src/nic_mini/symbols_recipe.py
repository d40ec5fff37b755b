"""How mini's entropy model is trained alone, after everything else."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from nic_nn.training.batch import Batch
from nic_nn.training.contract import Stage
from nic_nn.training.networks import Networks
from nic_nn.training.recipe import Optimizer, Schedule
from nic_nn.training.symbols import rates
from torch import Tensor

from nic_mini.model import Mini
from nic_mini.recipe import MiniRecipe, weight_of


@dataclass(frozen=True)
class MiniSymbols(MiniRecipe):
    """The hyper-synthesis and the contexts learn from rounded latents, see `nic_nn.training.symbols`.

    The transforms stay as they are: pictures look the same, and files become smaller. Where a model is validated, its
    loss is that of `MiniRecipe`.
    """

    batch: int = 8
    crop: int = 256
    lr: float = 3e-4
    warmup: int = 50
    schedule: Schedule = "linear"
    steps: int = 4000
    ema: float = 0.99
    optimizer: Optimizer = "adam"
    scale: tuple[float, float] = (0.5, 1.0)

    learning: ClassVar[tuple[str, ...]] = ("model.h_s.", "model.contexts.")

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage in which the entropy model learns."""
        return (Stage("symbols", self.steps, trainable=self.learning),)

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars for one batch; "bpp" is that of y alone in training."""
        model: Mini = networks.model
        if not model.training:
            return super().loss(networks, batch)
        quality = self.qualities(batch)
        with torch.no_grad():
            y = model.analyse(batch.pixels, quality)
        pixels = batch.pixels.shape[2] * batch.pixels.shape[3]
        by_means, by_scales = (nats / pixels / math.log(2) for nats in rates(model, y))
        loss = weight_of(model, quality) * (by_means + by_scales)
        return {"loss": loss.mean(), "bpp": by_scales.detach().mean()}
