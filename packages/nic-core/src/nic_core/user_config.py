"""What a user has set for good, in one small JSON file; `nic config` shows and writes it."""

import json
import os
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from nic_core.errors import NicError
from nic_core.files.atomic import atomic_write, make_folder
from nic_core.files.json_files import read_json

DEFAULT = "default"
"""The setting that names the codec which is used where none is named."""


def config_file() -> Path:
    """Return the file: NIC_CONFIG, or `config.json` at the platform's place for settings."""
    given = os.environ.get("NIC_CONFIG")
    return Path(given) if given else user_config_path("nic") / "config.json"


def setting(name: str) -> str | None:
    """Return what is set, None where nothing is; NicError where the file cannot be read or holds something else."""
    value = _read().get(name)
    if value is not None and not isinstance(value, str):
        raise NicError(f"{config_file()} has a {name} that is no text: 'nic config {name} --unset' removes it")
    return value


def put(name: str, value: str | None) -> None:
    """Write a setting, all or nothing, None to remove it; others stay. NicError, CannotWrite."""
    path = config_file()
    settings = _read()
    settings.pop(name, None)
    if value is not None:
        settings[name] = value
    make_folder(path.parent)
    atomic_write(path, (json.dumps(settings, indent=1, sort_keys=True) + "\n").encode())


def _read() -> dict[str, Any]:
    path = config_file()
    return read_json(path) if os.path.exists(path) else {}
