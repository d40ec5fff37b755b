"""The training loop: one LightningModule around any recipe.

A step depends on the weights, the step's number and its batch, and on nothing else: random numbers are keyed by sample
or seeded by step. That is why a run that is stopped and resumed ends where it would have ended.
"""

import dataclasses
import math
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import lightning
import torch
import torch.distributed as dist
from nic_core.errors import NicError
from nic_nn.model import LatentModel
from nic_nn.training.batch import Batch
from nic_nn.training.contract import Recipe, Stage
from nic_nn.training.networks import Networks, Optimizers
from nic_nn.training.schedules import Plateau
from nic_nn.training.start import Moments, carry_on, moments_of
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Diverged(NicError):
    """The loss or its gradient is no longer a finite number."""


class Loop(lightning.LightningModule):
    """Runs a recipe's stages.

    stages: what to train, in order. seed: of the numbers that recipes draw without a key.
    accumulate: pieces that each process splits its part of a batch into; less memory, the same step.
    minutes: stop after this long, 0 for never.

    step: optimizer steps done. stopping: set it to stop after the current step.
    shown: the last step's values, means over its pieces. aside: seconds spent on other things than steps.
    moments: what the optimizers of another training kept, for a run that begins with them.
    compiled: whether the networks are, see `nic_train.machine.compile_networks`.
    """

    def __init__(
        self, recipe: Recipe, stages: tuple[Stage, ...], seed: int = 0, accumulate: int = 1, minutes: float = 0
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.recipe, self.stages, self.seed, self.accumulate = recipe, stages, seed, accumulate
        self.networks = recipe.build()
        self.parts = nn.ModuleDict(self.networks.parts())
        self.average = average_of(self.networks.model, recipe.ema) if recipe.ema else None
        self.step = 0
        self.steps = sum(stage.steps for stage in stages)
        self.stopping = False
        self.shown: dict[str, Tensor] = {}
        self.aside = 0.0
        self.moments: dict[str, Moments] = {}
        self.compiled = False
        self._plateau = _plateau_of(recipe)
        self._optimizers: Optimizers | None = None
        self._learning: tuple[Stage, bool] | None = None
        self._end = time.monotonic() + 60 * minutes if minutes else math.inf

    @property
    def validated(self) -> Networks:
        """The networks to validate and export: with averaged weights where there are such."""
        if self.average is None:
            return self.networks
        return dataclasses.replace(self.networks, model=self.average.module)

    @contextmanager
    def something_aside(self) -> Iterator[None]:
        """Count the time of the block as `aside`: validation and checkpoints."""
        start = time.monotonic()
        yield
        self.aside += time.monotonic() - start

    def seconds_left(self) -> float:
        """Return how long the run may still take, infinity without a limit."""
        return max(self._end - time.monotonic(), 0.0)

    def start_average(self) -> None:
        """Take the model's present parameters as the average, after others were loaded."""
        if self.recipe.ema:
            self.average = average_of(self.networks.model, self.recipe.ema)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return the recipe's optimizers, which go on with `moments`."""
        self._optimizers = self.recipe.optimizers(self.networks)
        carry_on(self._optimizers, self.networks, self.moments)
        return self._optimizers.all()

    def moments_in(self, states: list[dict[str, Any]]) -> dict[str, Moments]:
        """Return what the states of the recipe's optimizers, as a checkpoint has them, keep of each parameter."""
        return moments_of(self.recipe.optimizers(self.networks), self.networks, states)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the step, and leave out how far Lightning is: the loader of a resumed run begins at the step."""
        checkpoint["step"] = self.step
        checkpoint["plateau"] = self._plateau and self._plateau.state()
        del checkpoint["loops"]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from the step."""
        self.step = checkpoint["step"]
        self._plateau = _plateau_of(self.recipe.at(self.stage_at(self.step)[0]))
        if self._plateau and checkpoint.get("plateau"):
            self._plateau.restore(checkpoint["plateau"])

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """Return the stage of a step and the step within it."""
        return stage_at(self.stages, step)

    def saw(self, loss: float) -> None:
        """Take in the loss on held-out pictures, for a schedule that follows it."""
        if self._plateau:
            self._plateau.saw(loss)

    def training_step(self, batch: Batch, index: int) -> None:
        """One step of the adversary, where it learns, and one of everything else that does."""
        stage, at = self.stage_at(self.step)
        recipe = self.recipe.at(stage)
        if at == 0:
            recipe.begin(self.networks)
            recipe.begin(self.validated)
            self._plateau = _plateau_of(recipe)
        torch.manual_seed(zlib.crc32(f"{self.seed} step {self.step} rank {self.global_rank}".encode()))
        self._set_rates(recipe.rate_at(at, stage.steps) * (self._plateau.factor if self._plateau else 1.0), recipe)
        pieces = batch.as_float().split(self.accumulate)
        assert self._optimizers is not None
        self.shown = {}
        if self._optimizers.adversary and self._let_learn(stage, adversary=True):
            self._descend(self._optimizers.adversary, pieces, recipe.adversary_loss, recipe, "adversary_loss")
        if self._let_learn(stage, adversary=False):
            self._optimizers.quantiles.zero_grad()
            self._descend(self._optimizers.main, pieces, self._with_quantiles(recipe), recipe, "loss")
            self._optimizers.quantiles.step()
        self.step += 1
        if self.average is not None:
            self.average.update_parameters(self.networks.model)
        self._agree(bad=False)
        if self.stopping or self.step >= self.steps or time.monotonic() > self._end:
            self.trainer.should_stop = True

    def _with_quantiles(self, recipe: Recipe) -> Callable[[Networks, Batch], dict[str, Tensor]]:
        """Return the recipe's loss with that of the quantiles added: no parameter learns from both."""

        def loss(networks: Networks, batch: Batch) -> dict[str, Tensor]:
            values = recipe.loss(networks, batch)
            if not networks.quantiles():
                return values
            aux_loss = networks.quantile_loss().to(values["loss"].device)
            return {**values, "objective": values["loss"] + aux_loss, "aux_loss": aux_loss}

        return loss

    def _descend(
        self,
        optimizer: torch.optim.Optimizer,
        pieces: list[Batch],
        loss: Callable[[Networks, Batch], dict[str, Tensor]],
        recipe: Recipe,
        name: str,
    ) -> None:
        """Step one optimizer down the mean loss of the pieces; Diverged where that is not finite."""
        optimizer.zero_grad()
        for piece in pieces:
            for module in self.parts.values():
                if isinstance(module, LatentModel):
                    module.noise = piece.random("rounding").rounding_noise
            values = loss(self.networks, piece)
            with self._synchronised(piece is pieces[-1]):
                self.manual_backward(values.pop("objective", values[name]) / len(pieces))
            for key, value in values.items():
                self.shown[key] = self.shown.get(key, 0) + value.detach() / len(pieces)
        learning = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = nn.utils.clip_grad_norm_(learning, recipe.clip or math.inf)
        # Waiting for these two numbers costs a GPU a little; going on with broken weights costs the run.
        if self._agree(bad=not (torch.isfinite(norm) and torch.isfinite(self.shown[name]))):
            files = ", ".join(file for piece in pieces for file in piece.files)
            raise Diverged(f"the loss became {float(self.shown[name])} at step {self.step}, in a batch of {files}")
        optimizer.step()

    def _let_learn(self, stage: Stage, adversary: bool) -> bool:
        """Let the parameters learn that a stage names, of the adversary or of all else; return whether any does."""
        named = [
            (part == "adversary", f"{part}.{name}", parameter)
            for part, module in self.parts.items()
            for name, parameter in module.named_parameters()
        ]
        chosen = [
            p for of_adversary, name, p in named if of_adversary == adversary and name.startswith(stage.trainable)
        ]
        if chosen and self._learning != (stage, adversary):
            for _, _, parameter in named:
                parameter.requires_grad_(False)
            for parameter in chosen:
                parameter.requires_grad_(True)
            self._learning = (stage, adversary)
        return bool(chosen)

    def _synchronised(self, wanted: bool) -> Any:
        """Return a context in which gradients are averaged over processes, or not yet."""
        strategy: Any = self.trainer.strategy
        return nullcontext() if wanted or self.trainer.world_size == 1 else strategy.block_backward_sync()

    def _set_rates(self, factor: float, recipe: Recipe) -> None:
        """Set all learning rates; the factor, of warm-up and schedule, is not on the quantiles'."""
        assert self._optimizers is not None
        for optimizer in self._optimizers.all():
            scheduled = 1.0 if optimizer is self._optimizers.quantiles else factor
            for group in optimizer.param_groups:
                group["lr"] = getattr(recipe, group["rate"]) * scheduled

    def _agree(self, bad: bool) -> bool:
        """Return whether any process has bad news; one that is to stop also stops the others."""
        if not (dist.is_available() and dist.is_initialized()):
            return bad
        news = torch.tensor([bad, self.stopping], dtype=torch.int32, device=self.device)
        dist.all_reduce(news, dist.ReduceOp.MAX)
        self.stopping = bool(news[1])
        return bool(news[0])


def stage_at(stages: tuple[Stage, ...], step: int) -> tuple[Stage, int]:
    """Return the stage of a step and the step within it."""
    for stage in stages:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    return stages[-1], stages[-1].steps


def _plateau_of(recipe: Recipe) -> Plateau | None:
    """Return what follows the loss on held-out pictures, where the schedule does."""
    if getattr(recipe, "schedule", None) != "plateau":
        return None
    return Plateau(getattr(recipe, "patience", 10))


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of a model's parameters; buffers follow the model's own."""
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)).requires_grad_(False)
