"""Loading weights files of latent models, strictly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from nic_core.errors import BadWeights
from nic_core.weights import Scope
from nic_core.weights.record import FLOATS, GRAPHS, read_info
from nic_latent.integers.stored import PREFIX
from nic_latent.loading import TABLES, check, inside, nets_of, tables_of
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from nic_nn.model import LatentModel

BESIDE = (f"{TABLES}.", PREFIX, f"{GRAPHS}.", f"{FLOATS}.")
"""What a weights file holds besides a model's state."""


def load_model(model: LatentModel, path: Path, *, floats: bool = True) -> LatentModel:
    """Fill a fresh model, its integer nets and its tables from a weights file; BadWeights names what does not fit.

    floats: whether to fill the parameters that the integer nets state, which coding does not need; `fill_floats` can do
        so later.
    """
    fill_model(model, read_state(path), path)
    if floats:
        fill_floats(model, path)
    return model.eval()


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file, shared ones under both names; BadWeights where it cannot be read."""
    return read_info(path).scope.whole(read_tensors(path))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file as they are there; BadWeights where it cannot be read."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadWeights(f"{path.name} cannot be read: {error}") from error


def fill_model(model: LatentModel, state: dict[str, Tensor], path: Path) -> None:
    """Fill a model as `load_model` does, but for what integer nets state. state: of the weights file `path`."""
    arrays = {name: value.numpy() for name, value in state.items() if name.startswith(BESIDE)}
    nets = nets_of(arrays, path)
    state = {
        name: value.float() if value.is_floating_point() else value
        for name, value in state.items()
        if name not in arrays
    }
    fresh = model.state_dict()
    stated = {name: fresh[name] for name in filter(inside(nets), fresh)}
    load_strictly(model, {**stated, **model.completed(state)})
    rows = {"y": len(model.gaussian.scale_table), "z": model.channels[1]}
    model.tables = {latent: tables_of(arrays, latent, count, path) for latent, count in rows.items()}
    if nets:
        model.integers = model.with_nets(nets)
        check(model.integers, model.channels[0], path)


def scope_of(model: LatentModel) -> Scope:
    """Return what the fingerprints of a model's weights cover."""
    return Scope(
        tuple(model.synthesis_modules),
        tuple(model.analysis_modules),
        tuple(model.synthesis_config),
        tuple(pair for pair in model.shared_modules if _same(*map(model.get_submodule, pair))),
    )


def _same(one: nn.Module, other: nn.Module) -> bool:
    own, others = one.state_dict(), other.state_dict()
    return own.keys() == others.keys() and all(torch.equal(own[name], others[name]) for name in own)


def same_scope(own: Scope, stated: Scope, config: Mapping[str, Any]) -> bool:
    """Tell whether fingerprints of a config, as a file states their scope, cover what a model's own do.

    Files of before models had sizes for their synthesis alone state none, and have none in their config.
    """
    parts = [(set(scope.synthesis), set(scope.analysis), scope.deciding(config)) for scope in (own, stated)]
    return parts[0] == parts[1]


def fill_floats(model: LatentModel, path: Path) -> None:
    """Fill the parameters that the integer nets of a weights file state, by what it keeps of them, or from the nets."""
    from nic_nn.integers.floats import parameters_of  # brings torch.fx, which coding does not need

    if model.integers is None:
        return
    try:
        stated = parameters_of(model, model.integers.nets)
    except (LookupError, ValueError) as error:
        raise BadWeights(f"the integer nets are not those of this {type(model).__name__}: {error}") from error
    if kept := _kept_floats(path):
        own = {name: value.shape for name, value in stated.items() if inside(model.integers.nets)(name)}
        if wrong := mismatch(own, kept):
            raise BadWeights(f"{path.name} keeps other floats than its integer nets state: {wrong}")
    with torch.no_grad():
        for name, value in (kept or stated).items():
            model.get_parameter(name).copy_(value)


def _kept_floats(path: Path) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(f"{FLOATS}.")]  # noqa: SIM118, as it is no mapping
        return {name.removeprefix(f"{FLOATS}."): file.get_tensor(name) for name in names}


def load_strictly(model: LatentModel, state: dict[str, Tensor]) -> None:
    """Load a state; BadWeights names the first few entries that are missing, extra or of another shape."""
    if found := mismatch({name: value.shape for name, value in model.state_dict().items()}, state):
        raise BadWeights(f"the weights do not fit {type(model).__name__}: {found}")
    model.load_state_dict(state)


def mismatch(shapes: Mapping[str, torch.Size], state: Mapping[str, Tensor]) -> str:
    """Return how a state differs from the wanted shapes, with the first few names; empty where it fits."""
    problems = {
        "missing": [name for name in shapes if name not in state],
        "extra": [name for name in state if name not in shapes],
        "of another shape": [name for name in shapes if name in state and shapes[name] != state[name].shape],
    }
    return "; ".join(
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if names[3:] else ''})"
        for what, names in problems.items()
        if names
    )
