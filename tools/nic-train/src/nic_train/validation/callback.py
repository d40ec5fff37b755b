"""Validation, every so many steps: measured, logged, shown, and the best of it kept."""

from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import lightning
import torch
from nic_core.errors import BadOption
from torch.utils.data import DataLoader

from nic_train.checkpoints import BEST, path_of
from nic_train.loop import Loop
from nic_train.progress import log, log_picture, say
from nic_train.validation.best import Best, improves, write_best
from nic_train.validation.measures import coded, measure, side_by_side
from nic_train.validation.whole import coded_whole

NONE = "none"
"""The name by which no best checkpoint is kept."""


class Validate(lightning.Callback):
    """Measures every `steps` steps and logs "val_" values and pictures; every `coded`-th time also truly coded bits.

    loader: batches of held-out pictures, this process's share. whole: the same pictures, one by one and uncropped,
    which are then coded each time; None where the recipe does not ask for it. run: the run's folder, which keeps the
    best checkpoint by the value called `value`: "" for "loss", "none" for none. best: what was kept so far.
    Nothing here changes what training computes, but for the loss that a plateau is told by.
    """

    def __init__(
        self,
        loader: DataLoader,
        whole: DataLoader | None,
        steps: int,
        run: Path,
        value: str = "",
        best: Best | None = None,
        coded: int = 5,
    ) -> None:
        self._loader, self._whole, self._steps, self._coded = loader, whole, steps, coded
        self._run, self._named, self._best = run, value, best

    def on_train_start(self, trainer: Any, loop: Any) -> None:
        """Raise BadOption for a value to choose by that validation has not: before the training, not after it."""
        if self._named in ("", NONE):
            return
        with loop.something_aside(), _eagerly(loop):
            names = {*measure(loop, islice(self._loader, 1)), "coded_bpp"}
            if self._whole is not None:
                names |= coded_whole(loop, islice(self._whole, 1)).keys()
        if self._named in names:
            return
        remark = f"validation has no value {self._named!r} to choose the best by; it has {', '.join(sorted(names))}"
        if loop.stage_at(loop.step)[0] == loop.stages[-1]:
            raise BadOption(remark)
        if trainer.is_global_zero:
            say(f"{remark}: there is no best checkpoint until a later stage has it")

    def on_train_batch_end(self, trainer: Any, loop: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Measure where the number of steps is a multiple, and after the last one."""
        if loop.step % self._steps and loop.step != loop.steps:
            return
        with loop.something_aside(), _eagerly(loop):
            values = measure(loop, self._loader)
            if self._whole is not None:
                values |= coded_whole(loop, self._whole)
            elif (loop.step // self._steps) % self._coded == 0 or loop.step == loop.steps:
                values |= coded(loop, self._loader)
            if "loss" in values:
                loop.saw(values["loss"])
            if trainer.is_global_zero:
                log(trainer, loop.step, {f"val_{name}": value for name, value in values.items()})
                log_picture(trainer, loop.step, "original and reconstruction", side_by_side(loop, self._loader))
            self._keep(trainer, loop, values)

    def _keep(self, trainer: Any, loop: Loop, values: dict[str, float]) -> None:
        """Save the checkpoint, in all processes alike, where it is better than the best of its stage so far."""
        name = self._named or ("loss" if "loss" in values else "adversary_loss")
        if self._named == NONE or name not in values:
            return
        found = Best(name, loop.step, loop.stage_at(loop.step - 1)[0].name, values)
        if improves(found, self._best):
            trainer.save_checkpoint(path_of(self._run, BEST), weights_only=True)
            self._best = found
            if trainer.is_global_zero:
                write_best(self._run, found)


def _eagerly(loop: Loop) -> AbstractContextManager[Any]:
    """Return a context in which compiled networks run as they are written: each size of picture would be compiled."""
    return torch.compiler.set_stance("force_eager") if loop.compiled else nullcontext()
