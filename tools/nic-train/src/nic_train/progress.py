"""What a user sees of a run: a bar in a terminal, a line a minute elsewhere, and the same values in the logs."""

import sys
import time
from typing import Any

import lightning
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

LOG_STEPS = 50
LINE_SECONDS = 60


class ShowProgress(lightning.Callback):
    """Shows step, loss, bpp, PSNR, pictures per second and time left; logs means over 50 steps."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal, speed_estimate_period=120)
        self._is_terminal = console.is_terminal
        self._sums: dict[str, float] = {}
        self._count = 0
        self._since = self._last_line = time.monotonic()

    def on_train_start(self, trainer: Any, loop: Any) -> None:
        """Begin."""
        if trainer.is_global_zero:
            self._bar.start()
            self._task = self._bar.add_task("", total=loop.steps, completed=loop.step)
        self._since = time.monotonic()

    def on_train_batch_end(self, trainer: Any, loop: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Go on by a step."""
        if not trainer.is_global_zero:
            return
        for name, value in loop.shown.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        self._count += 1
        now = time.monotonic()
        values = {name: total / self._count for name, total in self._sums.items()}
        values["pictures_per_s"] = len(batch) * trainer.world_size * self._count / max(now - self._since, 1e-9)
        text = describe(values)
        self._bar.update(self._task, completed=loop.step, description=text)
        if not self._is_terminal and (now - self._last_line > LINE_SECONDS or loop.step == loop.steps):
            print(f"step {loop.step}/{loop.steps}  {text}", file=sys.stderr, flush=True)
            self._last_line = now
        if loop.step % LOG_STEPS == 0 or loop.step == loop.steps:
            log(trainer, loop, values)
            self._sums, self._count, self._since = {}, 0, now

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """End, whether training has or an error came."""
        self._bar.stop()


def log(trainer: Any, loop: Any, values: dict[str, float]) -> None:
    """Write values and learning rates to all logs."""
    rates = {group["rate"]: group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups}
    for logger in trainer.loggers:
        logger.log_metrics({**values, **rates}, loop.step)
        logger.save()


def describe(values: dict[str, float]) -> str:
    """Return the values that matter most, in one line."""
    formats = {
        "loss": "loss {:.4f}",
        "adversary_loss": "adversary {:.4f}",
        "bpp": "{:.3f} bpp",
        "psnr": "{:.2f} dB",
        "pictures_per_s": "{:.1f} pictures/s",
    }
    return "  ".join(text.format(values[name]) for name, text in formats.items() if name in values)
