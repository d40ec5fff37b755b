"""How the model is trained: rate and distortion, as the public implementation's command does it."""

from dataclasses import dataclass
from typing import ClassVar

from nic_nn.training.recipe import Limits, RateDistortion, Schedule, Stage

from nic_tbtc.config import Size
from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.model import Tcm

EPOCHS, DROPS = 50, (45, 48)


@dataclass(frozen=True)
class TcmRecipe(RateDistortion):
    """See `RateDistortion`. size: S, M or L, which have N = 64, 96 and 128.

    lmbda: 0.0025, 0.0035, 0.0067, 0.013, 0.025 and 0.05 are the paper's.
    steps: 50 epochs of 300 000 pictures in batches of 8; the public command counts epochs of whatever pictures it gets.
    schedule: "constant" stands for that command's: the rate of the networks is divided by ten after 45 and after 48 of
        50 parts of the steps, the rate of the priors' quantiles stays. Others shape both over all steps.
    drop_path: see `Tcm`; the public command has none.
    """

    lmbda: float = 0.05
    steps: int = 1_875_000
    aux_lr: float = 1e-3
    clip: float = 1.0
    schedule: Schedule = "constant"
    size: Size = "L"
    drop_path: float = 0.0

    limits: ClassVar[Limits] = {**RateDistortion.limits, "drop_path": (0, 0.9)}

    def build_model(self) -> Tcm:
        """Return a fresh model."""
        return Tcm(TcmConfig.of(self.size), self.drop_path)

    def stages(self) -> tuple[Stage, ...]:
        """Return a stage for each rate."""
        if self.schedule != "constant":
            return super().stages()
        ends = [*(round(self.steps * epoch / EPOCHS) for epoch in DROPS), self.steps]
        begins = [0, *ends[:-1]]
        return tuple(
            Stage(f"rate-{number}", end - begin, {"lr": self.lr / 10**number, "other_lr": self.other_lr / 10**number})
            for number, (begin, end) in enumerate(zip(begins, ends, strict=True))
        )
