"""JSON files that may come from anyone."""

import json
import os
from pathlib import Path
from typing import Any

from nic_core.errors import NicError


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file that holds one JSON object; NicError for anything else."""
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise NicError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise NicError(f"{path} cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise NicError(f"{path} holds no JSON object")
    return content
