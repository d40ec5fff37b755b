"""A run's networks as one of its checkpoints holds them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nic_nn.training.contract import Recipe, Stage

from nic_train import checkpoints
from nic_train.checkpoints import Which
from nic_train.loop import Loop, stage_at
from nic_train.request import Record, read_record


@dataclass(frozen=True)
class Restored:
    """What a run has learned after so many steps.

    loop: with the networks, the averages and the step. optimizers: their states, in the order of `Optimizers.all`; none
    where the checkpoint keeps none. learned: the parts of the networks that have learned, or that the run began with.
    """

    record: Record
    loop: Loop
    optimizers: list[dict[str, Any]]
    learned: tuple[str, ...]

    def recipe(self) -> Any:
        """Return the recipe with the values of the stage that the last step belonged to."""
        return stage_before(self.loop.recipe, self.loop.stages, self.loop.step)


def restore(run: Path, which: Which = None) -> Restored:
    """Read a run's checkpoint: the last one, the best, or that of a step; NicError where it is none or does not fit."""
    record = read_record(run)
    state = checkpoints.read(checkpoints.path_of(run, which))
    loop = Loop(record.request.recipe(), record.request.stages())
    checkpoints.check_fits(loop, state["state_dict"])
    loop.load_state_dict(state["state_dict"])
    loop.step = state["step"]
    return Restored(record, loop, state.get("optimizer_states", []), learned(record, loop))


def stage_before(recipe: Recipe, stages: tuple[Stage, ...], step: int) -> Any:
    """Return the recipe with the values of the stage that the step before this one belongs to."""
    return recipe.at(stage_at(stages, max(step - 1, 0))[0])


def learned(record: Record, loop: Loop) -> tuple[str, ...]:
    """Return the parts of a run's networks that are no longer as they were drawn."""
    begun: list[str] = []
    before = 0
    for stage in loop.stages:
        if before < loop.step:
            begun += stage.trainable
        before += stage.steps
    given = {"model" if name == "name" else name for name in record.initial}  # weights are recorded by their name
    return tuple(
        part
        for part in loop.networks.parts()
        if given & {part, "run"} or any(f"{part}.".startswith(name) or name.startswith(f"{part}.") for name in begun)
    )
