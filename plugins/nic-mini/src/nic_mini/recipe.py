"""How mini is trained: every picture of a batch at a quality of its own."""

from dataclasses import dataclass, fields
from typing import ClassVar

from nic_nn.training.batch import Batch
from nic_nn.training.recipe import LARGEST, Limits, Networks, Optimizer, RateDistortion, Schedule, bits_per_pixel
from torch import Tensor

from nic_mini.config import MiniConfig
from nic_mini.model import Mini


@dataclass(frozen=True)
class MiniRecipe(MiniConfig, RateDistortion):
    """Rate-distortion training over the whole range of qualities at once; `lmbda` is not used.

    Each picture draws a quality from 1 to 100, which sets its lambda. Its loss is divided by the square root of that
    lambda: rate and weighted distortion both grow about so, and every quality then weighs the same.

    The values of the model's shape are `MiniConfig`'s.

    power: qualities are drawn as 1 + 99 u^power, u uniform; below 1 favours high ones, which learn slowest.

    decoder: what exported weights call their synthesis.

    optimizer: "adam" is for comparison; it wants an `lr` of 5e-4.
    """

    batch: int = 8
    crop: int = 192
    lr: float = 2e-3
    aux_lr: float = 1e-3
    clip: float = 1.0
    warmup: int = 500
    schedule: Schedule = "cooldown"
    steps: int = 200_000
    ema: float = 0.999
    optimizer: Optimizer = "muon"
    power: float = 1.0
    decoder: str = "fast"

    quality_range: ClassVar[tuple[float, float] | None] = (1.0, 100.0)
    limits: ClassVar[Limits] = {
        **RateDistortion.limits,
        "power": (0.01, 100),
        "widths": (1, 1024),
        "blocks": (0, 64),
        "slices": (1, 1024),
        "hyper": (1, 1024),
        "features": (1, 1024),
        "context": (1, 1024),
        "lambdas": (1e-9, LARGEST),
        "levels": (2, 100),
        "analysis_widths": (1, 1024),
        "analysis_blocks": (0, 64),
        "synthesis_widths": (1, 1024),
        "synthesis_blocks": (0, 64),
        "rest": (0, 1024),
        "kernels": (0, 31),
        "around": (1, 31),
    }

    def __post_init__(self) -> None:
        """Check what would fail later; BadOption."""
        RateDistortion.__post_init__(self)

    def base_config(self) -> MiniConfig:
        """Return the config of this shape; ValueError for one that makes no model."""
        return MiniConfig(**{field.name: getattr(self, field.name) for field in fields(MiniConfig)})

    def build_model(self) -> Mini:
        """Return a fresh model of this shape."""
        model = Mini(self.config)
        if self.synthesis_widths is None and self.synthesis_blocks is None:
            model.share_preview()
        return model

    def qualities(self, batch: Batch) -> Tensor:
        """Return the quality (N,) that each picture draws."""
        return 1 + 99 * batch.random("quality").uniform() ** self.power

    def loss(self, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        """Return scalars for one batch."""
        model: Mini = networks.model
        quality = self.qualities(batch)
        lmbda = model.lambda_of(quality)
        output = model(batch.pixels, quality)
        bpp = bits_per_pixel(output, batch.pixels)
        distortion, shown = self.distortion(output["x_hat"], batch.pixels)
        return {"loss": (weight_of(model, quality) * (lmbda * distortion + bpp)).mean(), "bpp": bpp.mean(), **shown}


def weight_of(model: Mini, quality: Tensor) -> Tensor:
    """Return what makes losses of all qualities weigh the same, (N,): see `MiniRecipe`."""
    return (sum(model.config.lambdas) / 2 / model.lambda_of(quality)).sqrt()
