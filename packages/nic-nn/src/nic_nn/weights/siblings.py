"""Weights that share the entropy model of others: files of the one are files of the other."""

import copy
import dataclasses
from pathlib import Path

import torch
from nic_core.errors import BadWeights
from nic_core.weights import WeightsInfo
from nic_core.weights.verification import verified
from nic_latent.config import from_json
from torch import Tensor

from nic_nn.model import LatentModel
from nic_nn.weights.loading import fill_floats, fill_model, read_state, scope_of

TOLERANCE = 2.0**-8
"""By how much of a tensor's largest value floats may differ from the integers that were made of them, at least."""


def entropy_of(model: LatentModel, path: Path) -> tuple[WeightsInfo, dict[str, Tensor]]:
    """Return the record of known weights, and the tensors of theirs that decide symbols, for a model that shares them.

    BadWeights where they have none in integers, or where they are not what the model has in floating point.
    """
    info, scope = verified(path), scope_of(model)
    try:
        theirs = dataclasses.asdict(from_json(type(model.config), info.config))
    except ValueError as error:
        raise BadWeights(f"{path.name} has a config of another model: {error}") from error
    if scope.deciding(theirs) != scope.deciding(dataclasses.asdict(model.config)):
        raise BadWeights(f"{path.name} has another config: its integers are for another entropy model")
    known = {name: value for name, value in read_state(path).items() if scope.role(name) == "entropy"}
    own = {name: value for name, value in model.state_dict().items() if scope.role(name) != "entropy"}
    twin = copy.deepcopy(model)
    twin.integers = None
    fill_model(twin, {**own, **known}, path)
    if twin.integers is None:
        raise BadWeights(f"{path.name} codes in floating point and has no integers to take")
    fill_floats(twin, path)
    stated = twin.state_dict()
    most = {name: float(value.abs().max()) if value.numel() else 0.0 for name, value in stated.items()}
    for name, value in model.state_dict().items():
        # Biases lie on a grid that their layer's weights set: half a step of it is no difference.
        weight = most.get(f"{name.rpartition('.')[0]}.weight", most[name])
        atol = max(TOLERANCE * most[name], 2.0**-model.integer_bits * max(weight, most[name]))
        if scope.role(name) == "entropy" and not torch.allclose(value, stated[name], rtol=0, atol=atol):
            raise BadWeights(f"{path.name} has another entropy model: {name} differs")
    return info, known
