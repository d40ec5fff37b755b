"""What a training recipe is.

A recipe is a frozen dataclass: its fields are its values, overridable by name from a TOML file and the command line,
and its methods build the networks, the optimizers, the losses and the stages. Everything else (data, devices,
precision, checkpoints, validation, export) belongs to nic-train, which knows recipes only through `Recipe`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from torch import Tensor

from nic_nn.model import Compressed, LatentModel
from nic_nn.training.batch import Batch
from nic_nn.training.networks import Networks, Optimizers
from nic_nn.training.start import Start

AnyRecipe = TypeVar("AnyRecipe", bound="Recipe")


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
    val_whole: whether validation also codes held-out pictures as a whole and measures what is decoded.
    ema: decay of the averaged weights that are validated and exported, 0 for none.
    clip: largest gradient norm, 0 for no clipping.
    """

    codec: str
    batch: int
    crop: int
    val_crop: int
    val_whole: bool
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

    def forward(self, networks: Networks, batch: Batch) -> dict[str, Any]:
        """Return what the model's `forward` makes of a batch."""

    def compress(self, networks: Networks, batch: Batch) -> Compressed:
        """Return the streams of a batch, as the model codes it."""

    def fidelity(self, x_hat: Tensor, x: Tensor) -> dict[str, float]:
        """Return how near a decoded picture (1, 3, H, W), in [0, 1], is to the original: see `val_whole`."""

    def published(self, path: Path) -> Start:
        """Return what an authors' checkpoint gives to start from; BadWeights where it is none, NicError without."""

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars: "loss" is minimised; "bpp", "psnr" and others are shown."""

    def adversary_loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars: "adversary_loss" is minimised by the adversary, in a step before the recipe's own."""
