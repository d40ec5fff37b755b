"""What `--init` names: weights, a part of a training, a run, or an authors' checkpoint."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from nic_core.errors import BadOption, NicError
from nic_core.weights import read_info
from nic_nn.training.contract import Recipe
from nic_nn.training.networks import Networks
from nic_nn.training.start import Moments, Start, fill
from nic_nn.weights.loading import load_model

from nic_train.checkpoints import Which, check_finite
from nic_train.folder import CHECKPOINT, RECORD
from nic_train.restoring import restore
from nic_train.start.parts import digest, part_info, read_part

SAFETENSORS = b"{"
"""The ninth byte of such a file: the first of its JSON header, after the header's length."""


@dataclass(frozen=True)
class Source:
    """One thing to start from.

    name: what messages call it. record: what identifies it in run.json, by what it gives.
    weights: a weights file; start: the content of anything else.
    """

    name: str
    record: dict[str, str]
    weights: Path | None = None
    start: Start = field(default_factory=lambda: Start({}))


def read_source(path: Path, recipe: Recipe, which: Which = None) -> Source:
    """Return what there is to start from at a path.

    path: a weights file; a part's file; a run's folder, of which `which` says the checkpoint, or one of its
        checkpoints' files; anything else is what the recipe takes for an authors' checkpoint.
    NicError where it is none of these, or of another codec.
    """
    if (path / RECORD).is_file():
        return _of_run(path, which, recipe)
    run = path.parent.parent
    if path.suffix == CHECKPOINT.suffix and (run / RECORD).is_file():
        return _of_run(run, _which(path), recipe)
    if which is not None:
        raise BadOption(f"--step says which checkpoint of a run to start from, and {path} is no run")
    if info := part_info(path):
        _check_codec(info.codec, recipe, path)
        state = read_part(path)
        return _of_start(path.stem, Start({info.part: state}))
    if _is_safetensors(path) or not (path.exists() or path.with_name(f"{path.name}.index").exists()):  # TensorFlow's
        weights = read_info(path)
        record = {"name": weights.name, "entropy_id": weights.entropy_id, "synthesis_id": weights.synthesis_id}
        if keeps_symbols(recipe):
            return Source(weights.name, record, start=cast(Any, recipe).begun(path))
        return Source(weights.name, record, path)
    return _of_start(path.name, recipe.published(path))


def keeps_symbols(recipe: Any) -> bool:
    """Tell whether a recipe keeps the symbols of the weights that it starts from; see `nic_train.start.symbols`."""
    return bool(getattr(recipe, "keeps_symbols", False))


def fill_networks(networks: Networks, source: Source) -> tuple[tuple[str, ...], dict[str, Moments]]:
    """Load what a source gives into networks; return the names of the parts, and what their optimizers kept.

    BadWeights where it does not fit or is not finite, NicError where the networks have no part of it.
    """
    if source.weights is not None:
        model = load_model(networks.model, source.weights)
        model.tables = model.integers = None  # of weights that go on changing
        model.train()
        check_finite(networks.model.state_dict(), source.weights)
        return ("model",), {}
    for part, state in source.start.parts.items():
        check_finite({f"its {part}": state}, Path(source.name))
    taken = fill(networks, source.start, source.name)
    if not taken:
        parts = " and ".join(source.start.parts)
        raise NicError(f"{source.name} gives {parts}, which these networks have not (for an adversary, give --labels)")
    moments = {name: kept for name, kept in source.start.moments.items() if name.partition(".")[0] in taken}
    check_finite({"what its optimizers kept": [kept.values for kept in moments.values()]}, Path(source.name))
    return taken, moments


def _of_run(run: Path, which: Which, recipe: Recipe) -> Source:
    """Return what a run has learned; the parts that it drew and left alone stay out."""
    found = restore(run, which)
    _check_codec(found.record.request.codec, recipe, run)
    parts = found.loop.networks.parts()
    start = Start(
        {name: parts[name].state_dict() for name in found.learned},
        {
            name: kept
            for name, kept in found.loop.moments_in(found.optimizers).items()
            if name.partition(".")[0] in found.learned
        },
    )
    return _of_start(f"{run.absolute().name} step {found.loop.step}", start)


def _of_start(name: str, start: Start) -> Source:
    return Source(name, {part: f"{name} {digest(state)}" for part, state in start.parts.items()}, start=start)


def _check_codec(codec: str, recipe: Recipe, path: Path) -> None:
    if codec != recipe.codec:
        raise NicError(f"{path} is of {codec}, and this run trains {recipe.codec}")


def _which(path: Path) -> Which:
    """Return which of a run's checkpoints a file is."""
    name = path.stem.removeprefix("step-")
    return int(name) if name.isdecimal() else "best" if name == "best" else None


def _is_safetensors(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(9)[8:] == SAFETENSORS
