"""How the model is trained: rate and distortion, as the public implementation's command does it."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nic_nn.training.recipe import Limits, RateDistortion
from nic_nn.training.start import Start, read_published

from nic_tbtc.config import Size
from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.importer import import_checkpoint
from nic_tbtc.tcm.model import Tcm


@dataclass(frozen=True)
class TcmRecipe(RateDistortion):
    """See `RateDistortion`. size: S, M or L, which have N = 64, 96 and 128.

    lmbda: 0.0025, 0.0035, 0.0067, 0.013, 0.025 and 0.05 are the paper's.
    steps: 50 epochs of 300 000 pictures in batches of 8; the public command counts epochs of whatever pictures it gets.
    drop_path: see `Tcm`; the public command has none.
    """

    lmbda: float = 0.05
    steps: int = 1_875_000
    epochs: int = 50
    milestones: tuple[float, ...] = (45, 48)
    aux_lr: float = 1e-3
    clip: float = 1.0
    mirror: bool = False
    size: Size = "L"
    drop_path: float = 0.0

    limits: ClassVar[Limits] = {**RateDistortion.limits, "drop_path": (0, 0.9)}

    def base_config(self) -> TcmConfig:
        """Return the config of the size."""
        return TcmConfig.of(self.size)

    def build_model(self) -> Tcm:
        """Return a fresh model."""
        return Tcm(self.config, self.drop_path)

    def published(self, path: Path) -> Start:
        """Return what a checkpoint of the public implementation's training holds."""
        return read_published(import_checkpoint, path)
