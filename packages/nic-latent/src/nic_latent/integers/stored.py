"""Integer nets as a weights file holds them: one JSON text, and the layers' arrays as tensors (docs/determinism.md).

The text is {net: {"inputs": [grid, ...], "steps": [{"layer": name, "inputs": [...], "grid": g, field: number, ...}]}}.
An array of step i of a net is the tensor "integers.NET.i.FIELD". Files may come from anyone: whatever a net could not
be is refused before it runs.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import numpy as np
from nic_core.files.json_files import parse_json

from nic_latent.integers.layers import Layer
from nic_latent.integers.nets import Net
from nic_latent.integers.step import Step

PREFIX = "integers."
TEXT = f"{PREFIX}nets"
"""The tensor that holds the text, as bytes."""
KINDS = {kind.__name__: kind for kind in get_args(Layer)}
DTYPES = ("int8", "int16", "int32", "int64")


def to_tensors(nets: Mapping[str, Net]) -> dict[str, np.ndarray]:
    """Return nets as tensors by name."""
    tensors: dict[str, np.ndarray] = {}
    text = {}
    for name, net in nets.items():
        steps = []
        for number, step in enumerate(net.steps):
            plain: dict[str, Any] = {}
            for field in fields(step.layer):
                value = getattr(step.layer, field.name)
                if isinstance(value, np.ndarray):
                    tensors[f"{PREFIX}{name}.{number}.{field.name}"] = smallest(value)
                else:
                    plain[field.name] = value
            steps.append({"layer": type(step.layer).__name__, "inputs": step.inputs, "grid": step.grid, **plain})
        text[name] = {"inputs": net.input_grids, "steps": steps}
    encoded = json.dumps(text, sort_keys=True, separators=(",", ":")).encode()
    return {TEXT: np.frombuffer(encoded, np.uint8), **tensors}


def smallest(values: np.ndarray) -> np.ndarray:
    """Return integers in the smallest type that holds them."""
    most = int(np.abs(values).max(initial=0))
    return values.astype(next(name for name in DTYPES if most <= np.iinfo(name).max))


def from_tensors(tensors: Mapping[str, np.ndarray]) -> dict[str, Net]:
    """Return the nets in tensors by name; ValueError where they could not be nets."""
    text = parse_json(bytes(tensors[TEXT].astype(np.uint8)))
    if not isinstance(text, dict):
        raise ValueError("the integer nets have no text")
    try:
        return {name: _net(name, value, tensors) for name, value in text.items()}
    except (KeyError, TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"the integer nets are damaged: {error!r}") from error


def _net(name: str, value: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Net:
    grids = tuple(map(_grid, value["inputs"]))
    steps = []
    for number, stored in enumerate(value["steps"]):
        inputs = tuple(stored["inputs"])
        if not inputs or not all(type(i) is int and 0 <= i < len(grids) + number for i in inputs):
            raise ValueError(f"step {number} of the net {name[:80]!r} takes what is not there")
        layer = KINDS[stored["layer"]](**dict(_fields(f"{PREFIX}{name}.{number}.", stored, tensors)))
        steps.append(Step(layer, inputs, _grid(stored["grid"])))
    if not steps:
        raise ValueError(f"the net {name[:80]!r} has no steps")
    return Net(grids, tuple(steps))


def _fields(prefix: str, stored: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Any]]:
    """Yield the values of a layer's fields, each of its type."""
    kind = KINDS[stored["layer"]]
    types = get_type_hints(kind)
    for field in fields(kind):
        if types[field.name] is np.ndarray:
            array = tensors[f"{prefix}{field.name}"]
            if array.dtype.name not in DTYPES:
                raise ValueError(f"{prefix}{field.name} holds no integers")
            yield field.name, array
            continue
        value = stored[field.name]
        many = isinstance(value, list)
        if many != (types[field.name] is not int) or not all(map(_is_number, value if many else [value])):
            raise ValueError(f"{prefix}{field.name} has a value that it cannot have")
        yield field.name, tuple(value) if many else value


def _is_number(value: Any) -> bool:
    return type(value) is int and abs(value) < 1 << 53


def _grid(value: Any) -> int:
    if type(value) is not int or not -64 <= value <= 62:
        raise ValueError("the integer nets have a grid that is none")
    return value
