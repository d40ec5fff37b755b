"""How the sketch model is trained: lambda * (1 - MS-SSIM) + bpp on gray crops."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from nic_nn.training.batch import Batch
from nic_nn.training.recipe import Limits, Networks, RateDistortion
from nic_nn.training.start import Start, read_published
from torch import Tensor

from nic_textsketch.config import SketchConfig
from nic_textsketch.sketches.importer import import_checkpoint
from nic_textsketch.sketches.model import SketchModel, to_gray


@dataclass(frozen=True)
class SketchRecipe(RateDistortion):
    """The authors' training, on edge maps; the metric is MS-SSIM of one channel.

    lmbda: 0.5 gives about 0.015 bits per pixel on the authors' HED maps, 1.0 about 0.025.
    steps: 300 epochs in batches of 4, if the edge maps are those of the 1633 training pictures of CLIC 2021; the
        authors do not state their number.
    schedule: "drop", which divides the rates by ten for the last tenth, stands for the authors' lowering of them
        whenever the loss on held-out pictures no longer falls, which "plateau" does where there are such pictures.
    width: channels of all parts, for smaller models.
    """

    lmbda: float = 0.5
    steps: int = 122_700
    batch: int = 4
    aux_lr: float = 1e-3
    clip: float = 1.0
    mirror: bool = False
    metric: Literal["mse", "ms-ssim"] = "ms-ssim"
    width: int = 192

    limits: ClassVar[Limits] = {**RateDistortion.limits, "width": (2, 1024)}

    def base_config(self) -> SketchConfig:
        """Return the config of this width."""
        return SketchConfig(self.width)

    def build_model(self) -> SketchModel:
        """Return a fresh model."""
        return SketchModel(self.config)

    def published(self, path: Path) -> Start:
        """Return what a checkpoint of the authors' training holds."""
        return read_published(import_checkpoint, path)

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars for one batch: "loss" is minimised, the others are shown."""
        return super().loss(networks, replace(batch, pixels=to_gray(batch.pixels)))
