"""How learning rates change over a stage: by its steps, or by what validation finds."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

Schedule = Literal["constant", "drop", "linear", "cosine", "cooldown", "plateau"]

DROP = 0.1
"""What rates are multiplied by at a milestone and on a plateau."""
LAST_PART = 0.9
"""Where "drop" lowers the rates if no milestones are given: this share of the steps."""


def factor_at(schedule: Schedule, share: float, passed: int | None = None) -> float:
    """Return the factor on the rates when a share of a stage's steps, 0 to 1, is done.

    passed: milestones that are behind, for "drop"; None where none are given. "plateau" is 1 here: see `Plateau`.
    """
    if schedule == "drop":
        return DROP ** (int(share >= LAST_PART) if passed is None else passed)
    factors = {
        "constant": 1.0,
        "plateau": 1.0,
        "linear": 1 - share,
        "cosine": 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)),
        "cooldown": min(1.0, 5 * (1 - share)),
    }
    return factors[schedule]


def steps_at(milestones: Sequence[float], epochs: int, steps: int) -> list[int]:
    """Return the steps at which milestones lie.

    milestones: in epochs, of which `steps` are `epochs`; in steps where `epochs` is 0.
    """
    return [round(steps * milestone / epochs) if epochs else round(milestone) for milestone in milestones]


class Plateau:
    """Divides the rates by ten when a loss on held-out pictures no longer falls (torch's `ReduceLROnPlateau`).

    patience: validations without a loss that is lower by a ten-thousandth before that happens.
    """

    def __init__(self, patience: int) -> None:
        self._rate = torch.optim.SGD([torch.zeros(1)], lr=1.0)  # stands for all optimizers: its rate is the factor
        self._scheduler = ReduceLROnPlateau(self._rate, factor=DROP, patience=patience)

    @property
    def factor(self) -> float:
        """The factor on the rates."""
        return self._rate.param_groups[0]["lr"]

    def saw(self, loss: float) -> None:
        """Take in what a validation found."""
        self._scheduler.step(loss)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "factor": self.factor,
            "best": float(self._scheduler.best),
            "waited": int(self._scheduler.num_bad_epochs),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        self._rate.param_groups[0]["lr"] = float(state["factor"])
        self._scheduler.best = float(state["best"])
        self._scheduler.num_bad_epochs = int(state["waited"])
