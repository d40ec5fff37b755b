"""How mini is trained: every picture of a batch at a quality of its own."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from nic_nn.recipe import RateDistortion, bits_per_pixel
from torch import Tensor

from nic_mini.model import Mini, MiniConfig


@dataclass(frozen=True)
class MiniRecipe(RateDistortion):
    """Rate-distortion training over the whole range of qualities at once; `lmbda` is not used.

    Each picture draws a quality uniformly from 1 to 100, which sets its lambda. Its loss is divided by the square root
    of that lambda: rate and weighted distortion both grow about so, and every quality then weighs the same.
    """

    batch: int = 8
    crop: int = 192
    lr: float = 5e-4
    aux_lr: float = 1e-3
    clip: float = 1.0
    warmup: int = 500
    schedule: Literal["drop", "cosine"] = "cosine"
    steps: int = 100_000

    quality_range: ClassVar[tuple[float, float] | None] = (1.0, 100.0)

    def build(self) -> Mini:
        """Return a fresh model."""
        return Mini(MiniConfig())

    def loss(self, model: Mini, x: Tensor) -> dict[str, Tensor]:
        """Return scalars for one batch."""
        quality = 1 + 99 * torch.rand(len(x), device=x.device)
        lmbda = model.lambda_of(quality)
        output = model(x, quality)
        bpp = bits_per_pixel(output, x)
        distortion, shown = self.distortion(output["x_hat"], x)
        weight = (sum(model.config.lambdas) / 2 / lmbda).sqrt()
        return {"loss": (weight * (lmbda * distortion + bpp)).mean(), "bpp": bpp.mean(), **shown}
