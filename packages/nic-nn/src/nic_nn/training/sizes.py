"""Sizes of a model that are set one by one: what `nic train --set model.NAME=VALUE` changes of its config."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from nic_core.errors import BadOption

LARGEST_SIZE = 16384
LONGEST = 64
"""Entries of a list of sizes at most."""


def sizes_of(config: Any) -> dict[str, Any]:
    """Return the types of a config's sizes, its numbers and lists of numbers, by name; none of None."""
    if config is None:
        return {}
    kinds = get_type_hints(type(config))
    return {item.name: kinds[item.name] for item in dataclasses.fields(config) if _is_size(kinds[item.name])}


def with_sizes(config: Any, sizes: Mapping[str, Any]) -> Any:
    """Return a config with other sizes, in the types of its fields.

    BadOption for a name that it has not, a number out of bounds, and for sizes that make no model (its ValueError).
    """
    known = sizes_of(config)
    for name, value in sizes.items():
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none that can be set"
            raise BadOption(f"the model has no size {name!r}; {has}")
        numbers = value if isinstance(value, tuple | list) else (value,)
        if len(numbers) > LONGEST or not all(number is None or 0 <= number <= LARGEST_SIZE for number in numbers):
            raise BadOption(f"model.{name} must be 0 to {LARGEST_SIZE}, or up to {LONGEST} such, not {str(value)[:80]}")
    try:
        return dataclasses.replace(config, **sizes) if sizes else config
    except ValueError as error:
        raise BadOption(str(error)) from error


def _is_size(kind: Any) -> bool:
    if get_origin(kind) in (tuple, Union, types.UnionType):
        return all(_is_size(argument) for argument in get_args(kind) if argument not in (Ellipsis, type(None)))
    return kind in (int, float)
