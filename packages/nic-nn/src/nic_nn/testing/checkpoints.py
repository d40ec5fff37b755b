"""Checkpoints written for the authors' code: the names that it has, and nothing lost."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from nic_core.weights import WeightsInfo
from torch import Tensor

from nic_nn.model import LatentModel
from nic_nn.weights.export import export
from nic_nn.weights.loading import read_state


def assert_layout(entries: Mapping[str, Tensor], manifest: Path, without: str = "\0") -> None:
    """Check that entries have the names and shapes of a manifest (see `nic_nn.testing.references`).

    without: the beginning of names that are left out on purpose.
    """
    rows = json.loads(manifest.read_text())
    expected = {name: tuple(shape) for name, shape, _ in rows if not name.startswith(without)}
    assert {name: tuple(value.shape) for name, value in entries.items()} == expected


def assert_round_trip(
    codec: str,
    model: LatentModel,
    exporter: Callable[[str, Path, Path], Any],
    importer: Callable[[str, Path, Path], Any],
    folder: Path,
) -> Path:
    """Check that weights written for the authors' code and imported again are the same; return the checkpoint.

    Every tensor is, with the integers, and so are both fingerprints.
    """
    before, after, theirs = folder / "before.safetensors", folder / "after.safetensors", folder / "authors.pth"
    info = export(model, before, WeightsInfo(codec, "w", {}, "", ""), floats=True)
    exporter(codec, before, theirs)
    again: WeightsInfo = importer(codec, theirs, after)
    assert (again.entropy_id, again.synthesis_id, again.config) == (info.entropy_id, info.synthesis_id, info.config)
    first, second = read_state(before), read_state(after)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    return theirs
