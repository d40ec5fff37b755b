"""Checkpoints of others: whatever is in them, weights come of it or one line."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from nic_core import weights
from nic_core.errors import BadWeights
from nic_nn.entropy.priors import FactorizedPrior
from nic_nn.testing import Tiny, TinyConfig
from nic_nn.weights.checkpoints import Importer
from torch import Tensor


def infer(state: Mapping[str, Tensor]) -> TinyConfig:
    """Return the config that the shapes tell."""
    return TinyConfig(len(state["g_a.weight"]), len(state["h_a.weight"]))


IMPORTER = Importer("tiny", Tiny, infer, TinyConfig(), lambda name: name)


def imported(folder: Path, change: Any = None, name: str = "authors.ckpt") -> Path:
    """Import a checkpoint with a change to its state; return the weights file."""
    state = {name: value.detach() for name, value in Tiny(TinyConfig(8, 5)).named_parameters()}
    if change:
        change(state)
    torch.save({"state_dict": state}, folder / name)
    IMPORTER("tiny", folder / name, folder / "w.safetensors")
    return folder / "w.safetensors"


def test_a_checkpoint_becomes_weights(tmp_path: Path) -> None:
    info = weights.verify(imported(tmp_path, name="\x1b[2J.ckpt"))
    assert (info.config, info.name) == ({"main": 8, "hyper": 5}, "_[2J")
    assert info.provenance["summary"] == "imported from _[2J.ckpt"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s["g_s.weight"].fill_(float("nan")), "'g_s.weight' has values that are not finite"),
        (lambda s: s["h_s.bias"].fill_(float("inf")), "'h_s.bias' has values that are not finite"),
        (lambda s: s["entropy_bottleneck.quantiles"].mul_(1e9), "reaches further than 32768"),
        (lambda s: s.update({"g_a.weight": torch.tensor(1.0)}), "of another shape"),
        (lambda s: s.update({"g_a.weight": torch.ones(1).expand(10**9, 3, 16, 16)}), "of another shape"),
        (lambda s: s.update({"g_a.weight": s["g_a.weight"].to_sparse()}), "is no checkpoint of tiny"),
        (lambda s: s.clear() or s.update(a=torch.zeros(1)), "missing"),
    ],
)
def test_states_that_make_no_model(tmp_path: Path, change: Any, says: str) -> None:
    with pytest.raises(BadWeights, match=says) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        imported(tmp_path, change)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "w.safetensors").exists()


def test_a_density_without_tails_is_refused() -> None:
    prior = FactorizedPrior(2, centred=True)
    assert len(prior.tables().length) == 2
    with torch.no_grad():
        prior.matrices[0].fill_(3e38)
        prior.matrices[1].fill_(3e38)
    with pytest.raises(BadWeights, match="is not finite"):
        prior.tables()
