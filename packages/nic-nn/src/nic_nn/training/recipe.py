"""What a training recipe is, and the plain rate-distortion recipe that most codecs need.

A recipe is a frozen dataclass: its fields are its values, overridable by name from a TOML file and the command line,
and its methods build the networks, the optimizers, the losses and the stages. Everything else (data, devices,
precision, checkpoints, validation, export) belongs to nic-train, which knows recipes only through `Recipe`.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import torch
import torch.nn.functional as F
from nic_core.errors import BadOption
from torch import Tensor, nn

from nic_nn.entropy.priors import FactorizedPrior
from nic_nn.model import LatentModel
from nic_nn.training.augmentation import Augmentation, Policy
from nic_nn.training.batch import Batch
from nic_nn.training.optimizers import adam, muon, soap
from nic_nn.training.sizes import with_sizes

AnyRecipe = TypeVar("AnyRecipe", bound="Recipe")
Schedule = Literal["constant", "drop", "linear", "cosine", "cooldown"]
Optimizer = Literal["adam", "muon", "soap"]
Limits = dict[str, tuple[float, float]]
LARGEST = 1e9
"""What any number of a recipe may be at most, either sign."""


@dataclass(frozen=True)
class Networks:
    """What is trained together.

    model: what is exported at the end.
    auxiliary: what helps the model's own loss and is not exported, such as a second entropy model.
    adversary: what has a loss and an optimizer of its own, such as a discriminator.
    """

    model: Any
    auxiliary: nn.Module | None = None
    adversary: nn.Module | None = None

    def parts(self) -> dict[str, nn.Module]:
        """Return those that exist, by name: names of parameters start with it ("model.g_a.0.weight")."""
        found = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {name: module for name, module in found.items() if module is not None}

    def parameters(self, *parts: str) -> list[nn.Parameter]:
        """Return the parameters of the named parts, without the priors' quantiles, which have a loss of their own."""
        return [
            parameter
            for part, module in self.parts().items()
            for name, parameter in module.named_parameters()
            if part in parts and not name.endswith("quantiles")
        ]

    def quantiles(self) -> list[nn.Parameter]:
        """Return the quantiles of all factorised priors that learn any."""
        return [prior.quantiles for prior in self._priors()]

    def quantile_loss(self) -> Tensor:
        """Return how far the quantiles are from where their priors put them; 0 where there are no priors."""
        return sum((prior.loss() for prior in self._priors()), torch.zeros(()))

    def _priors(self) -> list[FactorizedPrior]:
        modules = [module for part in self.parts().values() for module in part.modules()]
        return [module for module in modules if isinstance(module, FactorizedPrior) and not module.centred]


@dataclass(frozen=True)
class Optimizers:
    """The optimizers of a run; each parameter is in at most one.

    Each of their parameter groups has an entry "rate": the field of the recipe that holds its learning rate.

    main: of the model and the auxiliary. quantiles: of the priors' quantiles. adversary: of the adversary.
    """

    main: torch.optim.Optimizer
    quantiles: torch.optim.Optimizer
    adversary: torch.optim.Optimizer | None = None

    def all(self) -> list[torch.optim.Optimizer]:
        """Return those that exist."""
        return [found for found in (self.main, self.quantiles, self.adversary) if found is not None]


@dataclass(frozen=True)
class Stage:
    """A stretch of training: the recipe with some of its values changed, for so many steps.

    trainable: beginnings of the names of the parameters that learn ("model.g_s", "adversary"); "" stands for all.
        The adversary's loss is used where any of its parameters learns, the recipe's loss where any other does.
    """

    name: str
    steps: int
    values: dict[str, Any] = field(default_factory=dict)
    trainable: tuple[str, ...] = ("",)


class Recipe(Protocol):
    """What nic-train asks of a recipe, a frozen dataclass. `RateDistortion` is one to inherit from.

    codec: id; batch: pictures in one optimizer step, over all processes; crop: their side in pixels.
    val_crop: side of the centre crops of held-out pictures, less where these are smaller.
    ema: decay of the averaged weights that are validated and exported, 0 for none.
    clip: largest gradient norm, 0 for no clipping.
    """

    codec: str
    batch: int
    crop: int
    val_crop: int
    clip: float
    ema: float

    quality_range: ClassVar[tuple[float, float] | None]
    """The qualities that one set of weights covers; None for single-rate models."""

    @property
    def needs(self) -> frozenset[str]:
        """What batches must carry besides pixels: "text", "labels"."""

    @property
    def tradeoff(self) -> float:
        """The weight of the distortion against a bit per pixel; single-rate weights have name and quality by it."""

    def build(self) -> Networks:
        """Return fresh networks."""

    def optimizers(self, networks: Networks) -> Optimizers:
        """Return the optimizers."""

    def stages(self) -> tuple[Stage, ...]:
        """Return the stages in order, one at least."""

    def at(self: AnyRecipe, stage: Stage) -> AnyRecipe:
        """Return the recipe with the values of a stage; losses and rates are asked of this one."""

    def begin(self, networks: Networks) -> None:
        """Prepare the networks for a stage; called before its first step, of the recipe with the stage's values."""

    def exported(self, networks: Networks) -> LatentModel:
        """Return the model that is exported after a step of a stage, of the recipe with the stage's values."""

    def rate_at(self, step: int, steps: int) -> float:
        """Return the factor on the learning rates at a step of a stage's steps; the quantiles' stays as it is."""

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars: "loss" is minimised; "bpp", "psnr" and others are shown."""

    def adversary_loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars: "adversary_loss" is minimised by the adversary, in a step before the recipe's own."""


@dataclass(frozen=True)
class RateDistortion:
    """loss = lambda * 255^2 * MSE + bpp, or lambda * (1 - MS-SSIM) + bpp.

    The defaults are those of Zhu et al., ICLR 2022, appendix A.3.

    lmbda: the trade-off; steps: optimizer steps in all; batch: pictures per step; crop: their side in pixels.
    val_crop: side of the centre crops of held-out pictures, less where these are smaller.
    lr, aux_lr: Adam's rates for the networks and for the priors' quantiles; eps: what Adam adds to its divisor.
    clip: largest gradient norm, 0 for no clipping.
    warmup: steps over which the rates rise from zero. It and the schedule leave `aux_lr` as it is, as the published
        trainings do.
    schedule: "constant"; "drop" divides the rates by ten for the last tenth of the steps; "linear" lowers them to
        zero; "cosine" lowers them to a hundredth; "cooldown" keeps them until the last fifth of the steps, which
        lowers them to zero: such a run can be given more steps at any time before that.
    ema: decay of the averaged weights that are validated and exported; 0 for none.
    mirror, scale, scale_step, long_side, pad, autoaugment: how pictures become crops, see `Augmentation`.
    optimizer: "adam", or "muon", which orthogonalises the updates of convolutions (Jordan et al., 2024) and learns
        several times as fast: the model's convolutions then take `lr`, for which 2e-3 is good, and everything else
        learns by AdamW at `other_lr`; or "soap" (Vyas et al., 2024), for which an `lr` of 3e-3 is the authors'.
    model: sizes of the model by name that differ from `base_config`'s; set by `--set model.NAME=VALUE`.

    `limits` holds the lowest and the highest value of fields that are numbers, or tuples of such; recipes that inherit
    add theirs. BadOption for a value beyond them, and for any that is not finite.
    """

    codec: str
    lmbda: float = 0.01
    steps: int = 2_000_000
    batch: int = 8
    crop: int = 256
    val_crop: int = 256
    lr: float = 1e-4
    aux_lr: float = 1e-4
    eps: float = 1e-8
    clip: float = 10.0
    warmup: int = 0
    schedule: Schedule = "drop"
    metric: Literal["mse", "ms-ssim"] = "mse"
    ema: float = 0.0
    optimizer: Optimizer = "adam"
    other_lr: float = 3e-4
    mirror: bool = Augmentation.mirror
    scale: tuple[float, float] = Augmentation.scale
    scale_step: float = Augmentation.scale_step
    long_side: int = Augmentation.long_side
    pad: bool = Augmentation.pad
    autoaugment: Policy = Augmentation.autoaugment
    model: dict[str, Any] = field(default_factory=dict)

    quality_range: ClassVar[tuple[float, float] | None] = None
    limits: ClassVar[Limits] = {
        "lmbda": (1e-9, LARGEST),
        "steps": (1, LARGEST),
        "batch": (1, 65536),
        "crop": (16, 8192),
        "val_crop": (16, 8192),
        "lr": (0, LARGEST),
        "aux_lr": (0, LARGEST),
        "other_lr": (0, LARGEST),
        "eps": (1e-16, 1),
        "clip": (0, LARGEST),
        "warmup": (0, LARGEST),
        "ema": (0, 0.999999),
        "scale": (0.01, 16),
        "scale_step": (0, 16),
        "long_side": (0, 16384),
    }

    def __post_init__(self) -> None:
        """Check what would fail later; BadOption."""
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            low, high = self.limits.get(item.name, (-LARGEST, LARGEST))
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, int | float) and not low <= number <= high:  # also refuses NaN
                    raise BadOption(f"{item.name} must be {low:g} to {high:g}, not {number}")
        if self.metric == "ms-ssim" and min(self.crop, self.val_crop) <= 160:
            raise BadOption("with metric=ms-ssim crop and val_crop must be above 160, for its five scales")
        _ = Augmentation.of(self), self.config  # which say what is wrong with the sizes

    @property
    def needs(self) -> frozenset[str]:
        """Pixels are enough."""
        return frozenset()

    @property
    def tradeoff(self) -> float:
        """The lambda of the loss."""
        return self.lmbda

    def base_config(self) -> Any:
        """Return the model's config, a frozen dataclass, before `model`; None where no size can be set one by one.

        ValueError for values that make no model.
        """
        return None

    @property
    def config(self) -> Any:
        """The model's config; BadOption for sizes that make no model."""
        try:
            return with_sizes(self.base_config(), self.model)
        except ValueError as error:
            raise BadOption(str(error)) from error

    def build_model(self) -> LatentModel:
        """Return a fresh model, of `config` where there is one; all that most recipes need to define."""
        raise NotImplementedError

    def build(self) -> Networks:
        """Return the model alone."""
        return Networks(self.build_model())

    def optimizers(self, networks: Networks) -> Optimizers:
        """Return the optimizer of this name, and the quantiles' Adam; NicError where its package is not installed."""
        if self.optimizer == "muon":
            main = muon(networks.parameters("model"), networks.parameters("auxiliary"))
        elif self.optimizer == "soap":
            main = soap(networks.parameters("model", "auxiliary"), self.lr)
        else:
            main = adam(networks.parameters("model", "auxiliary"), self.lr, eps=self.eps)
        return Optimizers(main, self.quantile_optimizer(networks))

    def quantile_optimizer(self, networks: Networks) -> torch.optim.Optimizer:
        """Return the Adam of the priors' quantiles."""
        return adam(networks.quantiles(), self.aux_lr, "aux_lr", self.eps)

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage in which everything learns."""
        return (Stage("all", self.steps),)

    def at(self: AnyRecipe, stage: Stage) -> AnyRecipe:
        """Return the recipe with the values of a stage."""
        return dataclasses.replace(self, **stage.values)  # type: ignore[type-var]

    def begin(self, networks: Networks) -> None:
        """Nothing needs to be prepared."""

    def exported(self, networks: Networks) -> LatentModel:
        """Return the model as it is."""
        return networks.model

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars for one batch: "loss" is minimised, the others are shown."""
        output = networks.model(batch.pixels)
        bpp = bits_per_pixel(output, batch.pixels)
        distortion, shown = self.distortion(output["x_hat"], batch.pixels)
        return {"loss": (self.lmbda * distortion + bpp).mean(), "bpp": bpp.mean(), **shown}

    def adversary_loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Not asked for: there is no adversary."""
        raise NotImplementedError

    def distortion(self, x_hat: Tensor, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return each picture's distortion (N,) and what to show of it."""
        mse = F.mse_loss(x_hat.float(), x, reduction="none").flatten(1).mean(1)
        shown = {"psnr": (-10 * torch.log10(mse.detach().clamp(min=1e-10))).mean()}
        if self.metric == "mse":
            return 255**2 * mse, shown
        from pytorch_msssim import ms_ssim  # an optional dependency

        # Variances are differences of nearly equal numbers, which bfloat16 would make negative.
        with torch.autocast(x.device.type, enabled=False):
            similarity = ms_ssim(x_hat.float(), x, data_range=1.0, size_average=False)
        return 1 - similarity, {**shown, "ms-ssim": similarity.detach().mean()}

    def rate_at(self, step: int, steps: int) -> float:
        """Return the factor on the learning rates at a step; the quantiles' stays as it is."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        share = min(step / max(steps, 1), 1.0)
        factors = {
            "constant": 1.0,
            "drop": 1.0 if share < 0.9 else 0.1,
            "linear": 1 - share,
            "cosine": 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)),
            "cooldown": min(1.0, 5 * (1 - share)),
        }
        return factors[self.schedule]


def bits_per_pixel(output: dict[str, Any], x: Tensor) -> Tensor:
    """Return each picture's estimated bits per pixel, (N,)."""
    return sum(output["bits"].values()) / (x.shape[2] * x.shape[3])
