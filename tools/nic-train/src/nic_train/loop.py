"""The training loop: one LightningModule around any recipe."""

import math
import time
from typing import Any, cast

import lightning
import torch
from nic_core.errors import NicError
from nic_nn.model import LatentModel
from torch import Tensor


class Loop(lightning.LightningModule):
    """Runs a recipe (see docs/train.md) with a main and an auxiliary Adam.

    The auxiliary optimizer owns the priors' quantiles, whose own loss needs no pictures.

    minutes: stop after this long, 0 for never. (Lightning's own limit also counts what a resumed run took before.)
    """

    def __init__(self, recipe: Any, model: LatentModel, minutes: float = 0) -> None:
        super().__init__()
        self.recipe = recipe
        self.model = model
        self.automatic_optimization = False
        self._since = time.perf_counter()
        self._end = self._since + 60 * minutes if minutes else math.inf

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return the main and the auxiliary optimizer."""
        quantiles = [p for name, p in self.model.named_parameters() if name.endswith("quantiles")]
        others = [p for name, p in self.model.named_parameters() if not name.endswith("quantiles")]
        return [
            torch.optim.Adam(others, self.recipe.lr, fused=True),
            torch.optim.Adam(quantiles, self.recipe.aux_lr),
        ]

    def training_step(self, batch: Tensor, index: int) -> None:
        """One step of both optimizers."""
        main, auxiliary = cast(list[torch.optim.Optimizer], self.optimizers())
        if time.perf_counter() > self._end:
            self.trainer.should_stop = True
        step = self.global_step // 2  # Lightning counts the steps of both optimizers
        for group in main.param_groups:
            group["lr"] = self.recipe.lr * self.recipe.rate_at(step)
        values = self.recipe.loss(self.model, as_pictures(batch))
        if not torch.isfinite(values["loss"]):
            raise NicError(f"the loss became {values['loss'].item()} at step {step}; the last checkpoint is intact")
        main.zero_grad()
        self.manual_backward(values["loss"])
        torch.nn.utils.clip_grad_norm_(main.param_groups[0]["params"], self.recipe.clip)
        main.step()

        auxiliary_loss = self.model.entropy_bottleneck.loss()
        auxiliary.zero_grad()
        self.manual_backward(auxiliary_loss)
        auxiliary.step()

        self.log_dict({name: value.detach() for name, value in values.items()}, prog_bar=True)
        if step % 50 == 0:
            now = time.perf_counter()
            if step:
                self.log("pictures_per_s", 50 * len(batch) / (now - self._since), prog_bar=True)
            self._since = now
            self.log_dict({"aux": auxiliary_loss.detach(), "lr": main.param_groups[0]["lr"]})

    def validation_step(self, batch: Tensor, index: int) -> None:
        """Measure without noise; what a recipe draws at random is drawn alike each time."""
        with torch.random.fork_rng():
            torch.manual_seed(index)
            values = self.recipe.loss(self.model, as_pictures(batch))
        self.log_dict({f"val_{name}": value for name, value in values.items()}, prog_bar=True, batch_size=len(batch))


def as_pictures(batch: Tensor) -> Tensor:
    """Return uint8 crops as float pictures in [0, 1], channels last in memory, which convolutions are fastest on."""
    return (batch.float() / 255).contiguous(memory_format=torch.channels_last)
