"""Configs of models: frozen dataclasses that go through JSON in a weights file's header, which may come from anyone."""

from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Config = TypeVar("Config")

LARGEST = 1 << 16
"""The largest whole number in a config: a width, a number of blocks."""
LONGEST = 256
"""How many values a tuple in a config may have."""


def from_json(kind: type[Config], values: dict[str, Any]) -> Config:
    """Return the config that `dataclasses.asdict` and JSON made `values` of; JSON turns tuples into lists.

    Values must be of the fields' types: whole numbers from 0 to 65536, finite numbers, true or false, one of a
    Literal's texts, tuples of those, or None where the type has it. What a config checks beyond that is its own.

    ValueError for anything else, and for fields that are missing or unknown.
    """
    types, known = get_type_hints(kind), {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        raise ValueError(f"it has no {unknown[0][:80]!r}")
    if missing := [name for name, field in known.items() if field.default is MISSING and name not in values]:
        raise ValueError(f"it lacks {missing[0]!r}")
    return kind(**{name: _value(types[name], value, name) for name, value in values.items()})


def _value(kind: Any, value: Any, name: str) -> Any:
    """Return a value of JSON as a type wants it; ValueError where it is of another."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        (kind,) = (option for option in inner if option is not NoneType)
        return _value(kind, value, name)
    if origin is tuple and isinstance(value, list | tuple) and len(value) <= LONGEST:
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        if len(kinds) == len(value):
            return tuple(_value(one, item, name) for one, item in zip(kinds, value, strict=True))
    fits = {
        int: type(value) is int and 0 <= value <= LARGEST,
        float: type(value) in (int, float) and abs(value) <= 1e9,
        bool: type(value) is bool,
    }
    if value in inner if origin is Literal else fits.get(kind, False):
        return float(value) if kind is float else value
    raise ValueError(f"{name} cannot be {str(value)[:80]}")
