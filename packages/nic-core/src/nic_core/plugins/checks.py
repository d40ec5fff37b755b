"""Whether the records that plugins yield hold what their fields say: frozen dataclasses take anything."""

import dataclasses
import math
import re
import types
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from nic_core.errors import BadOption
from nic_core.spec import HIGHEST_RANK, CheckpointSpec, Option, WeightsSpec

OPTION_TYPES = (str, int, float, bool)


def problem(record: Any) -> str:
    """Return what is wrong with a record: "WeightsSpec with rank = '9'"; empty where nothing is."""
    kind: Any = type(record)
    for name, wanted in _fields(kind).items():
        value = getattr(record, name)
        if not _fits(value, wanted):
            return f"{kind.__name__} with {name} = {value!r:.40}"
        if isinstance(value, tuple):
            nested = (problem(part) for part in value if isinstance(part, Option))
            if found := next(filter(None, nested), ""):
                return f"{kind.__name__} with {found}"
    if isinstance(record, Option):
        return _of_option(record)
    if isinstance(record, WeightsSpec):
        return _of_weights(record)
    if isinstance(record, CheckpointSpec):
        return _of_checkpoint(record)
    return ""


def _of_option(option: Option) -> str:
    if option.type not in OPTION_TYPES:
        return f"option {option.name} of type {option.type.__name__}, which is none of str, int, float, bool"
    if option.default is None:
        return ""
    try:
        if option.default != "":  # of a text, none; choices need not allow it
            option.parse(option.default)
    except BadOption as error:
        return f"option whose default is none: {error}"
    return ""


def _of_weights(weights: WeightsSpec) -> str:
    if abs(weights.rank) > HIGHEST_RANK:
        return f"WeightsSpec with rank = {weights.rank}, beyond {HIGHEST_RANK}"
    quality = 1.0 if weights.quality is None else weights.quality
    low, high = quality if isinstance(quality, tuple) else (quality, quality)
    if not 1 <= low <= high <= 100:
        return f"WeightsSpec with quality = {weights.quality}, which is 1 to 100, or a range that rises"
    return ""


def _of_checkpoint(checkpoint: CheckpointSpec) -> str:
    for name in ("member", "beside"):
        try:
            re.compile(getattr(checkpoint, name))
        except re.error as error:
            return (
                f"CheckpointSpec with {name} = {getattr(checkpoint, name)!r}, which is no regular expression: {error}"
            )
    if not checkpoint.location.startswith(("https://", "http://")):
        return f"CheckpointSpec with location = {checkpoint.location!r}, which is no address"
    for name, low, high in (("lmbda", 1e-12, 1e12), ("quality", 1, 100)):
        value = getattr(checkpoint, name)
        if value is not None and not low <= value <= high:
            return f"CheckpointSpec with {name} = {value}, beyond {low:g} to {high:g}"
    return ""


@cache
def _fields(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _fits(value: Any, wanted: Any) -> bool:
    origin, arguments = get_origin(wanted), get_args(wanted)
    if wanted is Any:
        return True
    if origin is Literal:
        return value in arguments
    if origin in (Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if arguments[-1] is Ellipsis:
            return all(_fits(part, arguments[0]) for part in value)
        return len(value) == len(arguments) and all(map(_fits, value, arguments))
    if origin is dict:
        return isinstance(value, dict) and all(isinstance(key, str) for key in value)
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, wanted)
