"""The plain rate-distortion recipe: what most codecs need, to inherit from."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from nic_core.errors import BadOption, NicError
from nic_core.weights.record import is_decoder_name
from torch import Tensor

from nic_nn.distances.fidelity import fidelity, ms_ssim
from nic_nn.model import Compressed, LatentModel
from nic_nn.training.augmentation import Augmentation, Policy
from nic_nn.training.batch import Batch
from nic_nn.training.contract import AnyRecipe, Stage
from nic_nn.training.networks import Networks, Optimizers
from nic_nn.training.optimizers import adam, muon, soap
from nic_nn.training.schedules import Schedule, factor_at, steps_at
from nic_nn.training.sizes import with_sizes
from nic_nn.training.start import Start

Optimizer = Literal["adam", "muon", "soap"]
Limits = dict[str, tuple[float, float]]
LARGEST = 1e9
"""What any number of a recipe may be at most, either sign."""


@dataclass(frozen=True)
class RateDistortion:
    """loss = lambda * 255^2 * MSE + bpp, or lambda * (1 - MS-SSIM) + bpp.

    The defaults are those of Zhu et al., ICLR 2022, appendix A.3.

    lmbda: the trade-off; steps: optimizer steps in all; batch: pictures per step; crop: their side in pixels.
    crop_width: their width where they are no squares, and `crop` their height; 0 for squares.
    val_crop: side of the centre crops of held-out pictures, less where these are smaller.
    val_whole: whether validation also codes held-out pictures as a whole, and measures what is decoded.
    epochs: how many passes over the pictures the steps stand for, the unit of `milestones`; 0 for steps.
    milestones: where "drop" divides the rates by ten; none for the last tenth of the steps.
    lr, aux_lr: Adam's rates for the networks and for the priors' quantiles; eps: what Adam adds to its divisor.
    clip: largest gradient norm, 0 for no clipping.
    warmup: steps over which the rates rise from zero. It and the schedule leave `aux_lr` as it is, as the published
        trainings do.
    schedule: "constant"; "drop" divides the rates by ten at each milestone; "linear" lowers them to zero; "cosine"
        lowers them to a hundredth; "cooldown" keeps them until the last fifth of the steps, which lowers them to zero:
        such a run can be given more steps at any time before that; "plateau" divides them by ten whenever the loss on
        held-out pictures has not fallen for `patience` validations.
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
    crop_width: int = 0
    val_crop: int = 256
    val_whole: bool = False
    epochs: int = 0
    milestones: tuple[float, ...] = ()
    patience: int = 10
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
    learning: ClassVar[tuple[str, ...]] = ("model",)
    """Which parameters of the model the main optimizer has, see `Networks.parameters`."""
    limits: ClassVar[Limits] = {
        "lmbda": (1e-9, LARGEST),
        "steps": (1, LARGEST),
        "batch": (1, 65536),
        "crop": (16, 8192),
        "crop_width": (0, 8192),
        "val_crop": (16, 8192),
        "epochs": (0, LARGEST),
        "milestones": (0, LARGEST),
        "patience": (0, LARGEST),
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
        if self.metric == "ms-ssim" and min(self.crop, self.crop_width or self.crop, self.val_crop) <= 160:
            raise BadOption("with metric=ms-ssim crop and val_crop must be above 160, for its five scales")
        if not is_decoder_name(name := getattr(self, "decoder", "")):
            raise BadOption(f"decoder must be lower-case letters, digits and hyphens, at most 63, not {name[:80]!r}")
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
            main = muon(networks.parameters(*self.learning), networks.parameters("auxiliary"))
        elif self.optimizer == "soap":
            main = soap(networks.parameters(*self.learning, "auxiliary"), self.lr)
        else:
            main = adam(networks.parameters(*self.learning, "auxiliary"), self.lr, eps=self.eps)
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

    def forward(self, networks: Networks, batch: Batch) -> dict[str, Any]:
        """Return what the model makes of pixels alone."""
        return networks.model(batch.pixels)

    def compress(self, networks: Networks, batch: Batch) -> Compressed:
        """Return the streams of pixels alone."""
        return networks.model.compress(batch.pixels)

    def fidelity(self, x_hat: Tensor, x: Tensor) -> dict[str, float]:
        """Return PSNR, and MS-SSIM of a picture that is large enough."""
        return fidelity(x_hat, x)

    def published(self, path: Path) -> Start:
        """Return what an authors' checkpoint gives to start from; NicError where the codec knows no such."""
        raise NicError(f"{path} is neither weights nor a run, and {self.codec} starts from no checkpoints of others")

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars for one batch: "loss" is minimised, the others are shown."""
        output = self.forward(networks, batch)
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
        similarity = ms_ssim(x_hat, x)
        return 1 - similarity, {**shown, "ms-ssim": similarity.detach().mean()}

    def rate_at(self, step: int, steps: int) -> float:
        """Return the factor on the learning rates at a step; the quantiles' stays as it is."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        milestones = steps_at(self.milestones, self.epochs, steps)
        passed = sum(step >= milestone for milestone in milestones) if milestones else None
        return factor_at(self.schedule, min(step / max(steps, 1), 1.0), passed)


def bits_per_pixel(output: dict[str, Any], x: Tensor) -> Tensor:
    """Return each picture's estimated bits per pixel, (N,)."""
    return sum(output["bits"].values()) / (x.shape[2] * x.shape[3])
