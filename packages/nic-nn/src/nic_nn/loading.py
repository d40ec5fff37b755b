"""Loading weights files of latent models, strictly."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from nic_core.coding import Tables
from nic_core.errors import BadWeights
from nic_core.weights import Scope
from nic_latent.nets import Net
from nic_latent.stored import PREFIX, from_tensors
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from nic_nn.model import LatentModel

TABLES = "tables"
LARGEST_TABLES = 1 << 26
"""Entries of all tables of a latent, each as long as the longest."""


def load_model(model: LatentModel, path: Path, *, floats: bool = True) -> LatentModel:
    """Fill a fresh model, its integer nets and its tables from a weights file; BadWeights names what does not fit.

    floats: whether to fill the parameters that the integer nets state, which coding does not need; `fill_floats` can do
        so later.
    """
    fill_model(model, read_state(path), path)
    if floats:
        fill_floats(model)
    return model.eval()


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file; BadWeights where it cannot be read."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadWeights(f"{path.name} cannot be read: {error}") from error


def fill_model(model: LatentModel, state: dict[str, Tensor], path: Path) -> None:
    """Fill a model as `load_model` does, but for what integer nets state. state: of the weights file `path`."""
    state = dict(state)
    fields: dict[str, np.ndarray] = {
        name: state.pop(name).numpy() for name in list(state) if name.startswith(f"{TABLES}.")
    }
    integers = {name: state.pop(name).numpy() for name in list(state) if name.startswith(PREFIX)}
    nets = _nets(integers, path)
    state = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    fresh = model.state_dict()
    stated = {name: fresh[name] for name in filter(inside(nets), fresh)}
    load_strictly(model, {**stated, **model.completed(state)})
    rows = {"y": len(model.gaussian.scale_table), "z": model.channels[1]}
    model.tables = {latent: _tables(fields, latent, count, path) for latent, count in rows.items()}
    if nets:
        model.integers = model.with_nets(nets)
        try:
            model.integers.check(model.channels[0])
        except ValueError as error:
            raise BadWeights(f"{path.name} holds integer nets that do not fit: {error}") from error


def scope_of(model: LatentModel) -> Scope:
    """Return what the fingerprints of a model's weights cover."""
    return Scope(tuple(model.synthesis_modules), tuple(model.analysis_modules), tuple(model.synthesis_config))


def inside(nets: Mapping[str, Net]) -> Callable[[str], bool]:
    """Return what tells whether an entry of a state belongs to the module that one of the nets is."""
    return lambda name: name.startswith(tuple(f"{net}." for net in nets))


def fill_floats(model: LatentModel) -> None:
    """Fill the parameters that the integer nets state."""
    from nic_nn.integers.floats import parameters_of  # brings torch.fx, which coding does not need

    if model.integers is None:
        return
    try:
        stated = parameters_of(model, model.integers.nets)
    except (LookupError, ValueError) as error:
        raise BadWeights(f"the integer nets are not those of this {type(model).__name__}: {error}") from error
    with torch.no_grad():
        for name, value in stated.items():
            model.get_parameter(name).copy_(value)


def _nets(integers: dict[str, np.ndarray], path: Path) -> dict[str, Net]:
    """Return the integer nets in tensors; none where there are no tensors."""
    try:
        return from_tensors(integers) if integers else {}
    except (KeyError, ValueError) as error:
        raise BadWeights(f"{path.name} holds damaged integer nets: {error}") from error


def _tables(fields: dict[str, np.ndarray], latent: str, rows: int, path: Path) -> Tables:
    """Return the tables of a latent; BadWeights where there are none or not `rows` of them."""
    try:
        cdf, length, offset = (fields[f"{TABLES}.{latent}.{name}"] for name in ("cdf", "length", "offset"))
        if len(length) != rows:
            raise BadWeights(f"{path.name} holds {len(length)} entropy tables for {latent} instead of {rows}")
        return Tables(_padded(cdf, length), length, offset)
    except KeyError as error:
        raise BadWeights(f"{path.name} holds no entropy tables for {latent}: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise BadWeights(f"{path.name} holds damaged entropy tables for {latent}: {error}") from error


def _padded(cdf: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return rows that lie end to end as a rectangle; ValueError where their lengths do not add up."""
    if length.min(initial=0) < 0 or length.sum() != cdf.size:
        raise ValueError(f"the lengths of the rows add up to {length.sum()}, not {cdf.size}")
    if len(length) * length.max(initial=0) > LARGEST_TABLES:
        raise ValueError(f"together they have more than {LARGEST_TABLES} entries")
    rows = np.zeros((len(length), length.max(initial=0)), np.int32)
    rows[np.arange(rows.shape[1]) < length[:, None]] = cdf
    return rows


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
