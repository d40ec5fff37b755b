"""What downloads hashed to when they first came, so that another file at the same address is noticed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nic_core.errors import BadWeights
from nic_core.files.atomic import atomic_write, make_folder
from nic_core.files.json_files import read_json
from nic_core.weights.fetch import shown
from nic_core.weights.store import store_folder


def check(location: str, sha256: str, changed: bool = False) -> None:
    """Raise BadWeights where another file came from an address before, unless it is known to have `changed`."""
    known = _read().get(location)
    if known not in (None, sha256) and not changed:
        raise BadWeights(
            f"{shown(location)} has another file than before: SHA-256 {sha256}, formerly {known}; nothing was kept "
            "(--changed takes it)"
        )


def remember(sums: Mapping[str, str]) -> None:
    """Write down what downloads hashed to, by address; NicError where the file of such sums is damaged, CannotWrite."""
    make_folder(store_folder())
    atomic_write(_file(), (json.dumps({**_read(), **sums}, indent=1, sort_keys=True) + "\n").encode())


def _file() -> Path:
    return store_folder() / "downloads.json"


def _read() -> dict[str, Any]:
    return read_json(_file()) if _file().exists() else {}
