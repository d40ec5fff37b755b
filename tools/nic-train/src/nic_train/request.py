"""What a run was asked for, as run.json keeps it: enough to go on with it and to export it."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write
from nic_core.weights import read_info
from nic_nn.recipe import Recipe, Stage

from nic_train.data.pictures import DataRecord
from nic_train.recipes import Choice, make_recipe, make_stages


@dataclass(frozen=True)
class Request:
    """What decides the trained weights, and how often a run saves and measures itself.

    data: folder of pictures, or tar shards; val: folder; captions: JSON file; labels: folder or JSON files.
    precision: "bf16" or "fp32"; accumulate: pieces that each process splits its part of a batch into.
    workers: processes that load pictures, None for as many as suit the machine; cache: GB of memory for decoded ones.
    checkpoint_steps, val_steps: how often; keep_steps: how often a checkpoint stays for good, 0 for never.
    """

    codec: str
    choice: Choice
    data: str
    val: str | None = None
    captions: str | None = None
    labels: str | None = None
    seed: int = 0
    precision: str = "bf16"
    accumulate: int = 1
    workers: int | None = None
    cache: float = 2.0
    checkpoint_steps: int = 1000
    val_steps: int = 1000
    keep_steps: int = 0

    def changed(self, values: dict[str, Any], **fields: Any) -> "Request":
        """Return the request with more of the recipe's values set, and those fields that are not None."""
        choice = dataclasses.replace(self.choice, values={**self.choice.values, **values})
        given = {name: value for name, value in fields.items() if value is not None}
        return dataclasses.replace(self, choice=choice, **given)

    def recipe(self) -> Recipe:
        """Return the recipe; BadOption names a wrong value."""
        return make_recipe(self.codec, self.choice)

    def stages(self) -> tuple[Stage, ...]:
        """Return what to train, in order."""
        return make_stages(self.recipe(), self.choice)

    def needs(self) -> frozenset[str]:
        """Return what batches must carry besides pixels in any of the stages."""
        recipe = self.recipe()
        return frozenset().union(*(recipe.at(stage).needs for stage in self.stages()))


@dataclass(frozen=True)
class Record:
    """run.json: the request, and what it met.

    data: what tells the pictures from others. initial: the weights that the run started from, empty for none.
    """

    request: Request
    data: DataRecord
    initial: dict[str, str] = field(default_factory=dict)

    def write(self, run: Path) -> None:
        """Write run.json."""
        atomic_write(run / "run.json", json.dumps(dataclasses.asdict(self), indent=1).encode())


def read_record(run: Path) -> Record:
    """Return what a run was asked for; NicError where the folder holds no run."""
    try:
        record = json.loads((run / "run.json").read_text())
        request = record.pop("request")
        choice = Choice(**request.pop("choice"))
        return Record(Request(choice=choice, **request), DataRecord(**record["data"]), record["initial"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NicError(f"{run} holds no run: its run.json cannot be read") from error


def initial_weights(path: Path | None) -> dict[str, str]:
    """Return what identifies the weights that a run starts from."""
    if path is None:
        return {}
    info = read_info(path)
    return {"name": info.name, "entropy_id": info.entropy_id, "synthesis_id": info.synthesis_id}


def check_same(run: Path, record: Record, data: DataRecord, initial: Path | None) -> None:
    """Raise NicError, saying what differs, where a resumed run would go on with other pictures or weights."""
    if difference := record.data.difference(data):
        raise NicError(f"{run} was trained on other data: {difference}; to train on with these, start one with --init")
    if initial is not None and (given := initial_weights(initial)) != record.initial:
        start = " ".join(record.initial.values()) or "random weights"
        raise NicError(f"{run} started from {start}, not from {' '.join(given.values())}; leave --init away")
