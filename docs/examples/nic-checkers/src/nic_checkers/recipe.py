"""How the model is trained."""

from dataclasses import dataclass
from typing import ClassVar

from nic_nn.training.recipe import Limits, RateDistortion, Schedule

from nic_checkers.config import CheckersConfig
from nic_checkers.model import Checkers


@dataclass(frozen=True)
class CheckersRecipe(RateDistortion):
    """See `RateDistortion`, whose values it has, and `CheckersConfig`."""

    steps: int = 500_000
    lr: float = 5e-4
    clip: float = 1.0
    schedule: Schedule = "cooldown"
    width: int = 96
    latent: int = 128
    hyper: int = 96
    context: int = 128

    limits: ClassVar[Limits] = {
        **RateDistortion.limits,
        "width": (1, 1024),
        "latent": (1, 1024),
        "hyper": (1, 1024),
        "context": (1, 1024),
    }

    def build_model(self) -> Checkers:
        """Return a fresh model."""
        return Checkers(CheckersConfig(self.width, self.latent, self.hyper, self.context))
