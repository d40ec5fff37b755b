"""JSON that may come from anyone."""

import json
import os
from pathlib import Path
from typing import Any

from nic_core.errors import NicError

LARGEST = 1 << 30
"""Bytes of a file that is read as JSON; COCO's annotations have half as many."""


def parse_json(data: bytes | str) -> Any:
    """Return the value of JSON; ValueError for anything that is not strictly JSON, NaN and repeated keys included."""
    try:
        return json.loads(data, object_pairs_hook=_object, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file that holds one JSON object; NicError for anything else, and for one of more than a gigabyte."""
    content = read_json_value(path)
    if not isinstance(content, dict):
        raise NicError(f"{path} holds no JSON object")
    return content


def read_json_value(path: str | os.PathLike[str]) -> Any:
    """Read a file that holds any JSON value; NicError as in `read_json`."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        return parse_json(data)
    except OSError as error:
        raise NicError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise NicError(f"{path} cannot be read as JSON ({error})") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")
