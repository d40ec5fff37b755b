"""What a training starts from besides fresh networks: those of another training, and what its optimizers kept."""

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from nic_core.errors import BadWeights
from torch import Tensor, nn

from nic_nn.training.networks import Networks, Optimizers
from nic_nn.weights import checkpoints
from nic_nn.weights.checkpoints import Importer
from nic_nn.weights.loading import mismatch

QUANTILES = "quantiles"


@dataclass(frozen=True)
class Moments:
    """What an optimizer keeps of one parameter; optimizer: its class, since others keep other things."""

    optimizer: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Start:
    """Networks and optimizers to start from.

    parts: the state of networks, by the names of `Networks`' fields and within by those of their `state_dict`.
    moments: by parameter, with its part ("model.g_a.0.weight").
    """

    parts: dict[str, dict[str, Tensor]]
    moments: dict[str, Moments] = field(default_factory=dict)


@dataclass(frozen=True)
class Beside:
    """The auxiliary network that authors' checkpoints hold beside the model, under names that `Importer.ignore` tells.

    build: returns it for the model's config. published: returns the authors' name for one of its parameters.
    """

    build: Callable[[Any], nn.Module]
    published: Callable[[str], str]


def fill(networks: Networks, start: Start, source: str) -> tuple[str, ...]:
    """Load the parts that the networks have, and return their names; BadWeights where one does not fit."""
    taken = []
    for name, network in networks.parts().items():
        if state := start.parts.get(name):
            if name == "model":
                state = networks.model.completed(state)
            if found := mismatch({key: value.shape for key, value in network.state_dict().items()}, state):
                raise BadWeights(f"the {name} of {source} does not fit the recipe's: {found}")
            network.load_state_dict(state)
            taken.append(name)
    return tuple(taken)


def names_in(optimizer: torch.optim.Optimizer, networks: Networks) -> list[str]:
    """Return the names, with their parts, of an optimizer's parameters, in its order."""
    names = {
        id(parameter): f"{part}.{name}"
        for part, module in networks.parts().items()
        for name, parameter in module.named_parameters()
    }
    return [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]


def moments_of(optimizers: Optimizers, networks: Networks, states: list[dict[str, Any]]) -> dict[str, Moments]:
    """Return what the saved states of all optimizers, in their order, keep of each parameter.

    Nothing of those that count steps for whole groups (Muon, SOAP): parameters cannot be taken out of these.
    """
    return {
        name: Moments(type(optimizer).__name__, state["state"][number])
        for optimizer, state in zip(optimizers.all(), states, strict=False)
        if not any("step" in group for group in state["param_groups"])
        for number, name in enumerate(names_in(optimizer, networks))
        if number in state["state"]
    }


def carry_on(optimizers: Optimizers, networks: Networks, moments: Mapping[str, Moments]) -> list[str]:
    """Give optimizers what others of their class kept of the same parameters; return those parameters' names.

    BadWeights where something has another shape than its parameter.
    """
    given = []
    for optimizer in optimizers.all():
        state = optimizer.state_dict()
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for number, (name, parameter) in enumerate(zip(names_in(optimizer, networks), parameters, strict=True)):
            found = moments.get(name)
            if found is None or found.optimizer != type(optimizer).__name__:
                continue
            for value in found.values.values():
                if isinstance(value, Tensor) and value.ndim == parameter.ndim and value.shape != parameter.shape:
                    raise BadWeights(f"what an optimizer kept of {name} has another shape")
            state["state"][number] = copy.deepcopy(found.values)  # which an optimizer takes as they are, and changes
            given.append(name)
        optimizer.load_state_dict(state)
    return given


def read_published(importer: Importer, path: Path, beside: Beside | None = None) -> Start:
    """Return what an authors' checkpoint holds: the model, the auxiliary network, and what their Adams kept.

    The optimizers are those of CompressAI's training programs: "optimizer" and "aux_optimizer" over the parameters by
    sorted names, the latter over the quantiles. BadWeights where the file is no such checkpoint.
    """
    content = checkpoints.read_content(path)
    state = checkpoints.weights_in(content, path.name)
    ignored = re.compile(importer.ignore or r"(?!)")
    model = importer.model_of({name: value for name, value in state.items() if not ignored.match(name)}, path.name)
    parts: dict[str, dict[str, Tensor]] = {"model": model.state_dict()}
    names = {importer.published(name): f"model.{name}" for name, _ in model.named_parameters()}
    others = {name: value for name, value in state.items() if ignored.match(name)}
    if beside is not None and others:
        network = beside.build(model.config)
        checkpoints.fill(network, others, beside.published, f"{path.name} holds another auxiliary network")
        parts["auxiliary"] = network.state_dict()
        names |= {beside.published(name): f"auxiliary.{name}" for name, _ in network.named_parameters()}
    return Start(parts, _adams(content, names, path))


def _adams(content: Mapping[str, Any], names: Mapping[str, str], path: Path) -> dict[str, Moments]:
    """Return what the checkpoint's two Adams kept, by our names; names: ours by the authors'."""
    stored = content.get("state_dict", {})
    ours = {raw: names[name] for raw in sorted(map(str, stored)) if (name := checkpoints.current_name(raw)) in names}
    found: dict[str, Moments] = {}
    for key, of_quantiles in (("optimizer", False), ("aux_optimizer", True)):
        if key not in content:
            continue
        order = [name for raw, name in ours.items() if raw.endswith(QUANTILES) is of_quantiles]
        try:
            groups, kept = content[key]["param_groups"], content[key]["state"]
            numbers = [number for group in groups for number in group["params"]]
            if len(numbers) != len(order):
                raise ValueError
            found |= {
                name: Moments("Adam", dict(kept[number]))
                for name, number in zip(order, numbers, strict=True)
                if number in kept
            }
        except (LookupError, TypeError, ValueError) as error:
            raise BadWeights(f"{path.name}: its {key} is no Adam over the checkpoint's parameters") from error
    return found
