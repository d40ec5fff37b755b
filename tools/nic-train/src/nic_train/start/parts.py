"""Files of networks that only training needs, such as a discriminator: safetensors, for other runs to start from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from nic_core.errors import BadWeights
from nic_core.files.atomic import atomic_path
from nic_core.files.json_files import parse_json
from nic_core.weights.tensors import read_head
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

KEY = "nic-part"
"""Of the record in the file's header."""


@dataclass(frozen=True)
class PartInfo:
    """What such a file says of itself. part: "adversary" or "auxiliary"; codec: with which it was trained."""

    codec: str
    part: str
    summary: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)


def write_part(path: Path, info: PartInfo, state: Mapping[str, Tensor]) -> None:
    """Write a part; CannotWrite leaves nothing behind."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {KEY: json.dumps(asdict(info), sort_keys=True)})


def part_info(path: Path) -> PartInfo | None:
    """Return the record of a part's file; None for anything else, weights files included."""
    try:
        text = read_head(path).metadata.get(KEY, "")
        record = parse_json(text) if text else None
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or not all(isinstance(record.get(name), str) for name in ("codec", "part")):
        return None
    return PartInfo(record["codec"], record["part"])


def read_part(path: Path) -> dict[str, Tensor]:
    """Return a part's state; BadWeights where the file cannot be read."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadWeights(f"{path.name} cannot be read: {error}") from error


def digest(state: Mapping[str, Tensor]) -> str:
    """Return the first 8 digits of the SHA-256 of tensors and their names."""
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(f"{name} {tuple(state[name].shape)}".encode())
        found.update(state[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:8]
