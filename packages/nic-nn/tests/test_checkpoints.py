"""Checkpoints of others: whatever is in them, weights come of it or one line."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from compressai.entropy_models import EntropyBottleneck, GaussianConditional
from compressai.models import CompressionModel
from nic_core import weights
from nic_core.errors import BadWeights
from nic_core.weights import WeightsInfo
from nic_nn.entropy.priors import FactorizedPrior
from nic_nn.testing import Tiny, TinyConfig, assert_round_trip, tiny
from nic_nn.weights.checkpoints import Importer, current_name, earlier_name
from nic_nn.weights.constants import of_entropy_models
from nic_nn.weights.export import export
from torch import Tensor


def infer(state: Mapping[str, Tensor]) -> TinyConfig:
    """Return the config that the shapes tell."""
    return TinyConfig(len(state["g_a.weight"]), len(state["h_a.weight"]))


IMPORTER = Importer("tiny", Tiny, infer, TinyConfig(), lambda name: name)
EXPORTER = replace(IMPORTER, constants=of_entropy_models)


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


@pytest.mark.parametrize(
    ("beside", "lmbda"),
    [
        ({"lmbda": 0.01}, 0.01),
        ({"hyper_parameters": {"a-Model": {"lmbda": 0.01, "beta": None}}}, 0.01),
        ({"args": {"lambda": 2}}, 2.0),
        ({"lmbda": True}, None),
        ({"lmbda": "0.01"}, None),
        ({"lmbda": -1.0}, None),
        ({"epoch": 3}, None),
    ],
)
def test_a_checkpoint_may_say_its_lambda(tmp_path: Path, beside: dict, lmbda: float | None) -> None:
    state = {name: value.detach() for name, value in Tiny(TinyConfig(8, 5)).named_parameters()}
    torch.save({**beside, "state_dict": state}, tmp_path / "authors.ckpt")
    assert IMPORTER("tiny", tmp_path / "authors.ckpt", tmp_path / "w.safetensors").provenance.get("lambda") == lmbda


def test_names_of_before_and_of_today() -> None:
    for before, today in (("_matrix0", "matrices.0"), ("_bias3", "biases.3"), ("_factor1", "factors.1")):
        assert earlier_name(f"z_entropy_bottleneck.{today}") == f"z_entropy_bottleneck.{before}"
        assert current_name(f"net.entropy_bottleneck.{before}") == f"entropy_bottleneck.{today}"
    assert earlier_name("g_a.biases.0") == "g_a.biases.0"


def test_weights_go_back_and_forth(tmp_path: Path) -> None:
    theirs = assert_round_trip("tiny", tiny(), EXPORTER.save, EXPORTER, tmp_path)
    content = torch.load(theirs, weights_only=True)["state_dict"]
    assert content["entropy_bottleneck._matrix0"].shape == (4, 3, 1)
    # CompressAI's own module takes them, strictly: the published code stands on it.
    model = compressai_tiny()
    model.load_state_dict(content)
    assert torch.equal(model.g_a.weight, tiny().g_a.weight)


def test_weights_without_floats_are_exported_from_their_integers(tmp_path: Path) -> None:
    export(tiny(), tmp_path / "w.safetensors", WeightsInfo("tiny", "w", {}, "", ""))
    EXPORTER.save("tiny", tmp_path / "w.safetensors", tmp_path / "authors.pth")
    model = EXPORTER.load(tmp_path / "authors.pth")
    assert (model.h_s.weight - tiny().h_s.weight).abs().max() < 0.01 * tiny().h_s.weight.abs().max()


def test_other_weights_are_not_exported(tmp_path: Path) -> None:
    export(tiny(), tmp_path / "w.safetensors", WeightsInfo("other", "w", {}, "", ""))
    with pytest.raises(BadWeights, match=r"w\.safetensors holds weights of other, not of tiny"):
        EXPORTER.save("tiny", tmp_path / "w.safetensors", tmp_path / "authors.pth")
    assert not (tmp_path / "authors.pth").exists()


def compressai_tiny() -> CompressionModel:
    """Return the tiny model as one would write it with CompressAI."""
    ours, theirs = tiny(), CompressionModel()
    theirs.entropy_bottleneck = EntropyBottleneck(4)
    theirs.gaussian_conditional = GaussianConditional(None)
    for name in ("g_a", "g_s", "h_a", "h_s"):
        theirs.add_module(name, type(getattr(ours, name))(**_arguments(getattr(ours, name))))
    return theirs


def _arguments(layer: Any) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in ("in_channels", "out_channels", "kernel_size", "stride")}
