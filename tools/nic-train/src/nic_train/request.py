"""What a run was asked for, as run.json keeps it: enough to go on with it and to export it."""

import dataclasses
import json
import os
import reprlib
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write
from nic_core.files.json_files import read_json
from nic_core.spec import Option
from nic_nn.training.contract import Recipe, Stage

from nic_train.data.pictures import DataRecord
from nic_train.folder import RECORD, check_closed
from nic_train.recipes import Choice, make_recipe, make_stages

LARGEST = 10**9

LIMITS: dict[str, tuple[float, float]] = {
    "seed": (-(2**63), 2**63 - 1),
    "accumulate": (1, 4096),
    "workers": (0, 256),
    "cache": (0, 1e6),
    "log_every": (1, LARGEST),
    "checkpoint_steps": (1, LARGEST),
    "val_steps": (1, LARGEST),
    "keep_steps": (0, LARGEST),
}

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Request:
    """What decides the trained weights, and how often a run saves and measures itself.

    data: folder of pictures, or shards; val: folder; captions: JSON file or files; labels: folder or JSON files.
    files: list of the pictures of `data` to take, None for all.
    precision: "bf16", "fp32", or "auto", which a run replaces by what suits the machine that it begins on.
    accumulate: pieces that each process splits its part of a batch into.
    workers: processes that load pictures, None for as many as suit the machine; cache: GB of memory for decoded ones.
    log_every, checkpoint_steps, val_steps: how often; keep_steps: how often a checkpoint stays for good, 0 for never.
    best: the value of the validation that the best checkpoint is chosen by; "" for the loss, "none" for no such.
    compile: whether networks are compiled. tf32: whether GPUs may round the factors of float32 products to TF32; None
    for what PyTorch does by itself.

    BadOption for a number that is out of its range.
    """

    codec: str
    choice: Choice
    data: str
    val: str | None = None
    captions: str | None = None
    labels: str | None = None
    seed: int = 0
    precision: str = "auto"
    accumulate: int = 1
    workers: int | None = None
    cache: float = 2.0
    log_every: int = 50
    checkpoint_steps: int = 1000
    val_steps: int = 1000
    keep_steps: int = 0
    files: str | None = None
    best: str = ""
    compile: bool = False
    tf32: bool | None = None

    def __post_init__(self) -> None:
        """Check what may come from somebody else's run.json."""
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if value is not None:
                kind = float if name == "cache" else int
                Option(name.replace("_", "-"), kind, None, "", minimum=low, maximum=high).parse(value)
        Option("precision", str, None, "", choices=("auto", "bf16", "fp32")).parse(self.precision)

    def changed(self, values: dict[str, Any], **fields: Any) -> "Request":
        """Return the request with more of the recipe's values set, and those fields that are not None."""
        before = self.choice.values
        if "epochs" in values:  # which decide the steps, once the number of pictures is known
            before = {name: value for name, value in before.items() if name != "steps"}
        choice = dataclasses.replace(self.choice, values={**before, **values})
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

    data: what tells the pictures from others. initial: what the run started from: the name and the fingerprints of
    weights, the source of each other part, the "run" that it goes on from; empty for none.
    """

    request: Request
    data: DataRecord
    initial: dict[str, str] = field(default_factory=dict)

    def write(self, run: Path) -> None:
        """Write run.json."""
        atomic_write(run / RECORD, json.dumps(dataclasses.asdict(self), indent=1).encode())


def read_record(run: Path) -> Record:
    """Return what a run was asked for; NicError where the folder holds no run, or one that leads out of the folder."""
    path = run / RECORD
    if not os.path.isfile(path):
        raise NicError(f"{run} holds no run: there is no {RECORD} in it")
    check_closed(run)
    content = read_json(path)
    try:
        return from_json(Record, content)
    except (KeyError, TypeError) as error:
        raise NicError(f"{path} is not of a run that this nic train can read: {error}") from error


def from_json(kind: type[Kind], table: Any) -> Kind:
    """Return the dataclass that `dataclasses.asdict` and JSON made a table of.

    TypeError where an entry is missing, not known or of another type; for those of lists and dictionaries too.
    """
    if not isinstance(table, dict):
        raise TypeError(f"{kind.__name__} cannot be {reprlib.repr(table)}")
    kinds = get_type_hints(kind)
    if unknown := [name for name in table if name not in kinds]:
        raise TypeError(f"it has an entry {reprlib.repr(unknown[0])}")
    return kind(**{name: _value(name, kinds[name], value) for name, value in table.items()})


def _value(name: str, kind: Any, value: Any) -> Any:
    """Return an entry's value; TypeError where it is not of the type of its field."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return from_json(kind, value)
    if not _fits(kind, value):
        raise TypeError(f"{name} cannot be {reprlib.repr(value)}")
    return value


def _fits(kind: Any, value: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(argument, value) for argument in arguments)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(arguments[1], item) for item in value.values())
    if origin is list:
        return isinstance(value, list) and all(_fits(arguments[0], item) for item in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def check_same(run: Path, record: Record, data: DataRecord, initial: dict[str, str] | None) -> None:
    """Raise NicError, saying what differs, where a resumed run would go on with other pictures or another start."""
    if difference := record.data.difference(data):
        raise NicError(f"{run} was trained on other data: {difference}; to train on with these, start one with --init")
    if initial is not None and initial != record.initial:
        start = " ".join(record.initial.values()) or "random weights"
        raise NicError(f"{run} started from {start}, not from {' '.join(initial.values())}; leave --init away")
