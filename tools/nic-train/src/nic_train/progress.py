"""What a user sees of a run: a bar in a terminal, lines elsewhere, and the same values in the logs."""

import math
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from nic_core.errors import CannotWrite, NicError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from torch import Tensor

FIRST_LINE, LAST_LINE, LINE_SHARE = 5.0, 300.0, 0.1
"""Seconds between lines: a tenth of the run's time so far, within these bounds."""


class Window:
    """Means of what steps have shown, and how fast they were, since the last `clear`."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._sums: dict[str, float] = {}
        self._steps, self._pictures, self._seconds = 0, 0, 0.0

    def add(self, shown: dict[str, float], pictures: int, seconds: float) -> None:
        """Count a step: its values, its pictures over all processes, its time without validation and checkpoints."""
        for name, value in shown.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1
        self._pictures += pictures
        self._seconds += seconds

    def values(self) -> dict[str, float]:
        """Return the means, and pictures per second."""
        means = {name: total / self._steps for name, total in self._sums.items()}
        return {**means, "pictures_per_s": self._pictures / max(self._seconds, 1e-9)}


class Clock:
    """When a line is due, and how long a run still takes at the pace of the later half of its time so far.

    Validation and checkpoints are part of that pace. now: seconds; step: steps done, both at the start.
    """

    def __init__(self, now: float, step: int) -> None:
        self._start, self._due = now, now + FIRST_LINE
        self._marks = deque([(now, step)])

    def is_due(self, now: float, step: int) -> bool:
        """Tell whether it is time for a line, and if so take it as written."""
        if now < self._due:
            return False
        self._due = now + min(max(LINE_SHARE * (now - self._start), FIRST_LINE), LAST_LINE)
        self._marks.append((now, step))
        while self._marks[1][0] <= (self._start + now) / 2:
            self._marks.popleft()
        return True

    def left(self, now: float, step: int, steps: int) -> float:
        """Return the seconds until step `steps`, infinity where nothing is known yet."""
        since, begun = self._marks[0]
        return (steps - step) * (now - since) / (step - begun) if step > begun else math.inf


class ShowProgress(lightning.Callback):
    """Shows step, loss, bpp, PSNR, pictures per second, learning rate and time left; logs means over some steps.

    every: steps between entries in the logs. facts: what tells this run from others, for the logs.
    """

    def __init__(self, every: int, facts: dict[str, Any]) -> None:
        self._every, self._facts = every, facts
        console = Console(stderr=True)
        columns = (
            TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(),
            TextColumn("{task.description}"),
        )
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._is_terminal = console.is_terminal
        self._shown, self._logged = Window(), Window()

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Give the logs the run's facts, before Lightning has them saved for the first time."""
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(self._facts, {})
            elif not isinstance(logger, CSVLogger):
                logger.log_hyperparams(self._facts)

    def on_train_start(self, trainer: Any, loop: Any) -> None:
        """Begin."""
        if trainer.is_global_zero:
            self._bar.start()
            self._task = self._bar.add_task("", total=loop.steps, completed=loop.step)
        self._last, self._aside = time.monotonic(), loop.aside
        self._clock = Clock(self._last, loop.step)

    def on_train_batch_end(self, trainer: Any, loop: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Go on by a step."""
        if not trainer.is_global_zero:
            return
        now = time.monotonic()
        seconds = now - self._last - (loop.aside - self._aside)
        self._last, self._aside = now, loop.aside
        shown = {name: float(value) for name, value in loop.shown.items()}
        rates = {group["rate"]: group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups}
        for window in (self._shown, self._logged):
            window.add(shown, len(batch) * trainer.world_size, seconds)
        is_last = loop.step == loop.steps
        left = min(self._clock.left(now, loop.step, loop.steps), loop.seconds_left())
        text = describe(self._shown.values() | rates, left)
        if len(loop.stages) > 1:
            text = f"{loop.stage_at(loop.step - 1)[0].name}  {text}"
        self._bar.update(self._task, completed=loop.step, description=text)
        if self._clock.is_due(now, loop.step) or is_last:
            if not self._is_terminal:
                say(f"step {loop.step}/{loop.steps}  {text}")
            self._shown.clear()
        if loop.step % self._every == 0 or is_last:
            log(trainer, loop.step, self._logged.values() | rates, self._facts)
            self._logged.clear()
            self._facts = {}

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """End, whether training has or an error came."""
        self._bar.stop()


def say(text: str) -> None:
    """Print a line to standard error; one that cannot be written, to a full disk for example, ends no training."""
    with suppress(OSError, RuntimeError):  # the latter from a signal in the middle of another line
        print(text, file=sys.stderr, flush=True)


def describe(values: dict[str, float], left: float) -> str:
    """Return the values that matter most, and the seconds left, in one line."""
    formats = {
        "loss": "loss {:.4f}",
        "adversary_loss": "adversary {:.4f}",
        "bpp": "{:.3f} bpp",
        "psnr": "{:.2f} dB",
        "pictures_per_s": "{:.1f} pictures/s",
        "lr": "lr {:.2g}",
    }
    shown = [text.format(values[name]) for name, text in formats.items() if name in values]
    return "  ".join([*shown, *([f"{duration(left)} left"] if left < math.inf else [])])


def duration(seconds: float) -> str:
    """Return a duration as people say it, to two digits or so."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 600:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{hours} h" if hours < 100 else f"{round(hours / 24)} days"


def make_loggers(out: Path, wandb: str) -> list[Logger]:
    """Return those of CSV and TensorBoard, and of a Weights & Biases project where one is named."""
    folder = out / "metrics"
    found: list[Logger] = [CSVLogger(folder, "csv"), TensorBoardLogger(folder, "tensorboard")]
    if wandb:
        try:
            from lightning.pytorch.loggers import WandbLogger

            found.append(WandbLogger(project=wandb, name=out.name, save_dir=out))
        except ImportError as error:
            raise NicError("--wandb needs the package wandb: pip install 'nic-train[wandb]'") from error
    return found


def log(trainer: Any, step: int, values: dict[str, float], facts: dict[str, Any] | None = None) -> None:
    """Write values to all logs; CannotWrite on a full disk. facts: of the run, the first time."""
    for logger in trainer.loggers:
        with _explained(logger):
            if facts and isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(facts, values, step)  # it shows them in a table with the last of these values
            logger.log_metrics(values, step)
            logger.save()


def log_picture(trainer: Any, step: int, name: str, picture: Tensor) -> None:
    """Write a picture, (3, H, W) in [0, 1], to the logs that take such; CannotWrite on a full disk."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            with _explained(logger):
                logger.experiment.add_image(name, picture, step)
                logger.save()


@contextmanager
def _explained(logger: Logger) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # Lightning makes a ValueError of whatever TensorBoard raises
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        raise CannotWrite(f"cannot write the metrics in {logger.save_dir}: {cause.strerror or cause}") from error
