"""Checkpoints that a kill or a full disk cannot damage, and what a run needs of them before it goes on."""

from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from nic_core.errors import BadWeights, NicError
from nic_core.files.atomic import atomic_path
from nic_nn.weights.loading import mismatch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from nic_train.folder import CHECKPOINT
from nic_train.loop import Loop

BEST: Literal["best"] = "best"
Which = int | Literal["best"] | None
"""Which of a run's checkpoints: that of a step, the best by a validation, or the last one."""


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside the old one and then renames it; the old one stays where that fails."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write; CannotWrite, on a full disk for example, leaves the last checkpoint as it was."""
        with atomic_path(path) as temporary:
            try:
                torch.save(checkpoint, temporary)
            except RuntimeError as error:  # torch's writer reports a full disk so
                raise OSError(None, str(error).splitlines()[0]) from error


class SaveEvery(lightning.Callback):
    """Saves a run's last checkpoint every `steps` steps, and one that stays every `kept` steps, 0 for never."""

    def __init__(self, run: Path, steps: int, kept: int = 0) -> None:
        self._run, self._steps, self._kept = run, steps, kept

    def on_train_batch_end(self, trainer: Any, loop: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Save where the number of steps is a multiple."""
        with loop.something_aside():
            if loop.step % self._steps == 0:
                trainer.save_checkpoint(path_of(self._run))
            if self._kept and loop.step % self._kept == 0:
                trainer.save_checkpoint(path_of(self._run, loop.step))


def path_of(run: Path, which: Which = None) -> Path:
    """Return where a run keeps one of its checkpoints."""
    last = run / CHECKPOINT
    return last if which is None else last.with_name("best.ckpt" if which == BEST else f"step-{which}.ckpt")


def read(path: Path) -> dict[str, Any]:
    """Return a checkpoint; NicError where it is none, or holds numbers that nothing can be computed with."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        weights, step = state["state_dict"], state["step"]
        sound = all(isinstance(value, Tensor) for value in weights.values()) and type(step) is int and step >= 0
        plateau = state.get("plateau") or {}
        sound = sound and all(isinstance(value, int | float) for value in plateau.values())
    except FileNotFoundError as error:
        raise NicError(f"{path.parent.parent} holds no checkpoint {path.name}") from error
    except Exception as error:  # torch.load raises many kinds
        raise NicError(f"{path} is no checkpoint of nic train: {' '.join(str(error).split())[:200]}") from error
    if not sound:
        raise NicError(f"{path} is no checkpoint of nic train: it holds no weights, or no step")
    check_finite(weights, path)
    check_finite({"the optimizers": state.get("optimizer_states")}, path)
    return state


def check_finite(state: dict[str, Any], path: Path) -> None:
    """Raise BadWeights where a tensor, or one of those in a tree of such, holds what is no finite number."""
    for name, values in state.items():
        for value in tree_leaves(values):
            if isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all():
                raise BadWeights(f"{path} holds numbers that are not finite, in {name}")


def check_fits(loop: Loop, state: dict[str, Tensor]) -> None:
    """Raise BadWeights, saying what differs, where a checkpoint is of other networks than the recipe builds."""
    if found := mismatch({name: value.shape for name, value in loop.state_dict().items()}, state):
        raise BadWeights(f"the checkpoint does not fit the recipe's networks: {found}")
