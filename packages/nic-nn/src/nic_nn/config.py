"""Configs of models: frozen dataclasses that go through JSON in a weights file's header."""

from typing import Any, TypeVar

Config = TypeVar("Config")


def from_json(kind: type[Config], values: dict[str, Any]) -> Config:
    """Return the config that `dataclasses.asdict` and JSON made `values` of; JSON turns tuples into lists."""
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
