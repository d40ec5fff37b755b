"""What a training recipe is, and the plain rate-distortion recipe that most codecs need.

A recipe is a frozen dataclass: its fields are its values, overridable on the command line by name, and its methods
build the model and the loss. The loop, devices, checkpoints and export belong to nic-train.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from nic_nn.model import LatentModel


@dataclass(frozen=True)
class RateDistortion:
    """loss = lambda * 255^2 * MSE + bpp, or lambda * (1 - MS-SSIM) + bpp.

    The defaults are those of Zhu et al., ICLR 2022, appendix A.3.

    lmbda: the trade-off; steps: optimizer steps in all; batch: pictures per step; crop: their side in pixels.
    lr, aux_lr: Adam's rates for the model and for the priors' quantiles; clip: largest gradient norm.
    warmup: steps over which lr rises from zero.
    schedule: "drop" divides lr by ten for the last tenth of the steps, "cosine" lowers it to lr / 100 all along.
    """

    codec: str
    lmbda: float = 0.01
    steps: int = 2_000_000
    batch: int = 8
    crop: int = 256
    lr: float = 1e-4
    aux_lr: float = 1e-4
    clip: float = 10.0
    warmup: int = 0
    schedule: Literal["drop", "cosine"] = "drop"
    metric: Literal["mse", "ms-ssim"] = "mse"

    quality_range: ClassVar[tuple[float, float] | None] = None
    """The qualities that one set of weights covers; None for single-rate models."""

    def build(self) -> LatentModel:
        """Return a fresh model."""
        raise NotImplementedError

    def loss(self, model: Any, x: Tensor) -> dict[str, Tensor]:
        """Return scalars for one batch (N, 3, H, W): "loss" is minimised, the others are shown."""
        output = model(x)
        bpp = bits_per_pixel(output, x)
        distortion, shown = self.distortion(output["x_hat"], x)
        return {"loss": (self.lmbda * distortion + bpp).mean(), "bpp": bpp.mean(), **shown}

    def distortion(self, x_hat: Tensor, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return each picture's distortion (N,) and what to show of it."""
        mse = F.mse_loss(x_hat.float(), x, reduction="none").flatten(1).mean(1)
        shown = {"psnr": (-10 * torch.log10(mse.detach())).mean()}
        if self.metric == "mse":
            return 255**2 * mse, shown
        from pytorch_msssim import ms_ssim  # an optional dependency

        similarity = ms_ssim(x_hat.float(), x, data_range=1.0, size_average=False)
        return 1 - similarity, {**shown, "ms-ssim": similarity.detach().mean()}

    def rate_at(self, step: int) -> float:
        """Return the factor on lr at a step."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.schedule == "drop":
            return 1.0 if step < 0.9 * self.steps else 0.1
        share = min(step / max(self.steps, 1), 1.0)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share))


def bits_per_pixel(output: dict[str, Any], x: Tensor) -> Tensor:
    """Return each picture's estimated bits per pixel, (N,)."""
    return sum(output["bits"].values()) / (x.shape[2] * x.shape[3])
