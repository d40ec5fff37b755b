"""How the model is trained: rate and distortion, and the causal context adjustment loss."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

from nic_core.errors import BadOption
from nic_nn.model import NATS_TO_BITS
from nic_nn.training.batch import Batch
from nic_nn.training.contract import Stage
from nic_nn.training.recipe import LARGEST, Limits, Networks, RateDistortion, bits_per_pixel
from nic_nn.training.schedules import Schedule, steps_at
from nic_nn.training.start import Beside, Start, read_published
from torch import Tensor

from nic_cca.auxiliary import AuxiliaryEntropyModel
from nic_cca.config import CcaConfig
from nic_cca.importer import import_checkpoint, published_auxiliary_name
from nic_cca.model import Cca


@dataclass(frozen=True)
class CcaRecipe(RateDistortion):
    """beta * bpp + lambda * D + alpha * cca + aux2 (section 3.2); D is 255^2 MSE or 1 - MS-SSIM.

    cca: bits per pixel of y less those under a context that lacks, for each slice, the slice just before it.
    aux2: sum of p * -log2 q per pixel, p the likelihoods under that shortened context, q those without any context.

    beta: weight of the rate and what models differ in, since lambda stays: 0.3, 0.85, 1.8, 3.5, 7 and 15 in the paper,
        where it is called lambda. Smaller is better and larger.
    start_beta: its value until the rates drop for the first time; 0 for the published choice, 0.3 and, from beta 7 on,
        2.
    epochs, milestones: stages begin at milestones, after 56 of 65 parts of the steps, each with a tenth of the rates.
    schedule: within each stage; "drop" is constant there.
    alpha: weight of the cca loss; 0 trains without it and without the auxiliary model.
    width, depth: of smaller models; see `CcaConfig.of`. slice_power: how slices grow, as 1, 2^power, 3^power, ...
    """

    lmbda: float = 0.05
    beta: float = 0.3
    start_beta: float = 0.0
    alpha: float = 1.0
    aux_lr: float = 1e-3
    clip: float = 1.0
    mirror: bool = False
    schedule: Schedule = "drop"
    epochs: int = 65
    milestones: tuple[float, ...] = (56,)
    width: int = 192
    depth: int = 4
    slice_power: float = 1.7

    limits: ClassVar[Limits] = {
        **RateDistortion.limits,
        "beta": (1e-9, LARGEST),
        "start_beta": (0, LARGEST),
        "alpha": (0, LARGEST),
        "width": (16, 1024),
        "depth": (1, 64),
        "slice_power": (0, 16),
    }

    def __post_init__(self) -> None:
        """Check what would fail later; BadOption."""
        super().__post_init__()
        if self.alpha and len(self.config.slices) < 2:
            raise BadOption("the cca loss compares slices, of which there must be two; alpha=0 does without it")

    @property
    def tradeoff(self) -> float:
        """lambda per weight of the rate, which cca contains once more."""
        return self.lmbda / (self.beta + self.alpha)

    def base_config(self) -> CcaConfig:
        """Return the config of this width and depth."""
        return CcaConfig.of(self.width, self.depth, self.slice_power)

    def build(self) -> Networks:
        """Return the model, and the auxiliary entropy model where its loss counts."""
        return Networks(Cca(self.config), AuxiliaryEntropyModel(self.config) if self.alpha else None)

    def stages(self) -> tuple[Stage, ...]:
        """Return the two stages of the paper: the second has the wanted rate and a tenth of the learning rate.

        More milestones make more of the latter, each with a tenth of the rate before.
        """
        milestones = [min(step, self.steps) for step in sorted(steps_at(self.milestones, self.epochs, self.steps))]
        shared = {"milestones": (), "schedule": "constant" if self.schedule == "drop" else self.schedule}
        stages = []
        if milestones:
            start_beta = self.start_beta or (0.3 if self.beta < 7 else 2.0)
            stages.append(Stage("context", milestones[0], {**shared, "beta": start_beta}))
        for drops, (start, end) in enumerate(pairwise([*(milestones or [0]), self.steps]), len(stages)):
            rates = {"lr": self.lr / 10**drops, "other_lr": self.other_lr / 10**drops}
            stages.append(Stage("target" if drops < 2 else f"target {drops}", end - start, {**shared, **rates}))
        return tuple(stages)

    def published(self, path: Path) -> Start:
        """Return what a checkpoint of the authors' training holds, the auxiliary model included."""
        return read_published(import_checkpoint, path, Beside(AuxiliaryEntropyModel, published_auxiliary_name))

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars for one batch: "loss" is minimised, the others are shown."""
        model: Cca = networks.model
        latents = model.estimate(model.g_a(batch.pixels))
        output = latents.output(model.g_s(latents.y_hat))
        distortion, shown = self.distortion(output["x_hat"], batch.pixels)
        bpp = bits_per_pixel(output, batch.pixels)
        loss = self.beta * bpp + self.lmbda * distortion
        if networks.auxiliary is not None:
            shortened, alone = networks.auxiliary(latents.y, latents.hyper, model.noise if model.training else None)
            terms = cca_terms(latents.log_likelihoods["y"], shortened, alone, batch.pixels)
            loss = loss + self.alpha * terms["cca"] + terms["aux2"]
            shown |= {name: value.mean() for name, value in terms.items()}
        return {"loss": loss.mean(), "bpp": bpp.mean(), **shown}


def cca_terms(full: Tensor, shortened: Tensor, alone: Tensor, x: Tensor) -> dict[str, Tensor]:
    """Return the two terms of the auxiliary model, (N,), in bits per pixel of x.

    full, shortened, alone: log-likelihoods of y, in nats, under the model's context, under that without the slice just
        before each, and under none.
    """
    pixels = x.shape[2] * x.shape[3]

    def per_pixel(nats: Tensor) -> Tensor:
        return -NATS_TO_BITS / pixels * nats.flatten(1).sum(1)

    return {"cca": per_pixel(full - shortened), "aux2": per_pixel(shortened.exp() * alone)}
