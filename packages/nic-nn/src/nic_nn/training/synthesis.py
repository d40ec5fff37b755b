"""Training the synthesis transform of existing weights alone: files stay what they are, and get other pixels.

All that decides symbols stays as it is, and so does the analysis: y_hat is what files hold, rounded and without noise,
as where decoders are fine-tuned on hard-quantised latents (arXiv 2506.08662). A step costs the forward pass of the
frozen parts, without what probabilities need, and the synthesis in both directions.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from nic_core.errors import BadOption
from nic_core.weights import WeightsInfo, read_info
from nic_latent.orders.context import drive
from torch import Tensor

from nic_nn.distances.fidelity import ms_ssim
from nic_nn.distances.wasserstein import wasserstein
from nic_nn.entropy.latent import Estimate, full_precision
from nic_nn.model import LatentModel
from nic_nn.training.batch import Batch
from nic_nn.training.contract import Stage
from nic_nn.training.networks import Networks
from nic_nn.training.recipe import LARGEST, Limits, RateDistortion, bits_per_pixel
from nic_nn.training.start import Start
from nic_nn.weights.loading import load_model, scope_of

LEAST = 1e-6
"""Added to distortions before their logarithm, so that flat pictures do not outweigh all others: 60 dB."""


@dataclass(frozen=True)
class SynthesisOnly(RateDistortion):
    """loss = mse x log(MSE) + msssim x log(1 - MS-SSIM) + wasserstein x mean over scales of log(distortion).

    Logarithms make every picture and every quality weigh the same: a percent less distortion is worth the same
    anywhere, as in a mean of PSNRs. `lmbda` and `metric` are not used.

    The model is that of the weights that training starts from, which are needed (`nic train --init`), but for its
    synthesis, whose sizes (`LatentModel.synthesis_config`) may be larger where the recipe can grow one.

    decoder: what exported weights call their synthesis, and `--decoder` asks for.
    mse, msssim, wasserstein: weights; the last is that of `nic_nn.distances.wasserstein`.
    """

    decoder: str = ""
    mse: float = 1.0
    msssim: float = 0.0
    wasserstein: float = 0.0

    keeps_symbols: ClassVar[bool] = True
    """Tells `nic train` to take the model's sizes, and exported integers, from the weights that it starts from."""
    learning: ClassVar[tuple[str, ...]] = ("model.g_s.",)
    limits: ClassVar[Limits] = {
        **RateDistortion.limits,
        "mse": (0, LARGEST),
        "msssim": (0, LARGEST),
        "wasserstein": (0, LARGEST),
    }

    def __post_init__(self) -> None:
        """Check what would fail later; BadOption."""
        super().__post_init__()
        if not self.mse + self.msssim + self.wasserstein:
            raise BadOption("one of mse, msssim and wasserstein must be above 0")
        if self.msssim and min(self.crop, self.crop_width or self.crop, self.val_crop) <= 160:
            raise BadOption("with msssim crop and val_crop must be above 160, for its five scales")

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage in which the synthesis learns."""
        return (Stage("synthesis", self.steps, trainable=self.learning),)

    def sizes_like(self, known: WeightsInfo) -> dict[str, Any]:
        """Return the recipe's values that say the shape of known weights, but for synthesis sizes that it has itself.

        Of a recipe whose fields are those of the model's config.
        """
        synthesis = type(self.build_model()).synthesis_config
        return {
            name: value
            for name, value in known.config.items()
            if hasattr(self, name) and (name not in synthesis or getattr(self, name) is None)
        }

    def known_model(self, known: WeightsInfo) -> LatentModel:
        """Return a fresh model of known weights."""
        raise NotImplementedError

    def grown(self, old: LatentModel) -> LatentModel:
        """Return a model of this recipe's shape that decodes as `old` does, whose synthesis may be smaller."""
        return old

    def begun(self, path: Path) -> Start:
        """Return what training starts from, of weights; BadOption where the recipe is for others."""
        info, wanted = read_info(path), self.build_model()
        old = load_model(self.known_model(info), path)
        scope = scope_of(wanted)
        given = [scope.deciding(vars(model.config)) for model in (old, wanted)]
        if differing := [name for name in given[0] if given[0][name] != given[1][name]]:
            raise BadOption(
                f"{', '.join(differing)} of {path.name} cannot change: this recipe trains the synthesis alone"
            )
        return Start({"model": self.grown(old).state_dict()})

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars for one batch; the rate is only measured where the model is evaluated, as it stays."""
        model, x = networks.model, batch.pixels
        shown = {}
        with torch.no_grad():
            y = self.analysed(model, batch)
            if model.training:
                y_hat = hard(model, y)
            else:
                latents = model.estimate(y)
                y_hat, shown = latents.y_hat, {"bpp": bits_per_pixel(latents.output(x), x).mean()}
        x_hat = self.synthesised(model, y_hat, batch).float()
        loss, of_loss = self.looks(x_hat, x)
        return {"loss": loss.mean(), **shown, **of_loss}

    def analysed(self, model: Any, batch: Batch) -> Tensor:
        """Return y of a batch."""
        return model.analyse(batch.pixels)

    def synthesised(self, model: Any, y_hat: Tensor, batch: Batch) -> Tensor:
        """Return pictures of a batch's y_hat."""
        return model.synthesise(y_hat)

    def looks(self, x_hat: Tensor, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return each picture's loss (N,) and what to show of it."""
        error = (x_hat - x).square().flatten(1).mean(1)
        shown = {"psnr": (-10 * torch.log10(error.detach().clamp(min=1e-10))).mean()}
        loss = self.mse * (error + LEAST).log()
        if self.msssim:
            similarity = ms_ssim(x_hat, x)
            shown["ms-ssim"] = similarity.detach().mean()
            loss = loss + self.msssim * (1 - similarity + LEAST).log()
        if self.wasserstein:
            distances = (wasserstein(x_hat, x) + LEAST).log().mean(1)
            shown["wasserstein"] = distances.detach().mean()
            loss = loss + self.wasserstein * distances
        return loss, shown


def hard(model: LatentModel, y: Tensor) -> Tensor:
    """Return y_hat as coding rounds it, up to the integers' grids, without any likelihood."""
    return torch.cat(list(drive(model.context(model.h_s(hard_z(model, y))), Estimate(y, model.gaussian))), 1)


def hard_z(model: LatentModel, y: Tensor) -> Tensor:
    """Return z_hat as coding rounds it."""
    with torch.autocast(y.device.type, enabled=False):
        medians = model.entropy_bottleneck.medians
        return torch.round(full_precision(model.h_a(y)) - medians) + medians
