"""How other decoders of mini's files are trained: its synthesis alone, every picture at a quality of its own."""

from dataclasses import dataclass
from typing import Any, ClassVar

from nic_core.weights import WeightsInfo
from nic_latent.config import from_json
from nic_nn.model import LatentModel
from nic_nn.training.batch import Batch
from nic_nn.training.recipe import Limits, Optimizer, Schedule
from nic_nn.training.synthesis import SynthesisOnly
from torch import Tensor

from nic_mini.config import MiniConfig
from nic_mini.growing import grown
from nic_mini.model import Mini
from nic_mini.recipe import MiniRecipe


@dataclass(frozen=True)
class MiniSynthesis(SynthesisOnly, MiniRecipe):
    """See `SynthesisOnly`; what is said of qualities in `MiniRecipe`, but for lambdas, holds here too."""

    batch: int = 8
    crop: int = 256
    lr: float = 3e-4
    other_lr: float = 1e-4
    clip: float = 1.0
    warmup: int = 100
    schedule: Schedule = "cooldown"
    steps: int = 20_000
    ema: float = 0.999
    optimizer: Optimizer = "muon"
    scale: tuple[float, float] = (0.5, 1.0)
    power: float = 1.0

    learning: ClassVar[tuple[str, ...]] = ("model.g_s.", "model.rest_s.")
    limits: ClassVar[Limits] = {**MiniRecipe.limits, **SynthesisOnly.limits}

    def build_model(self) -> Mini:
        """Return a fresh model of this shape, whose preview stays what it is."""
        return Mini(self.config)

    def known_model(self, known: WeightsInfo) -> Mini:
        """Return a fresh model of known weights."""
        return Mini(from_json(MiniConfig, known.config))

    def grown(self, old: LatentModel) -> Mini:
        """Return a model with a synthesis that may be wider and deeper."""
        assert isinstance(old, Mini)
        return grown(old, self.build_model())

    def analysed(self, model: Mini, batch: Batch) -> Tensor:
        """Return y of each picture at a quality of its own."""
        return model.analyse(batch.pixels, self.qualities(batch))

    def synthesised(self, model: Any, y_hat: Tensor, batch: Batch) -> Tensor:
        """Return pictures at those qualities."""
        return model.synthesise(y_hat, self.qualities(batch))
