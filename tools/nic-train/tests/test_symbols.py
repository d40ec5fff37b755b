"""Runs that train a synthesis alone: files of the weights that they start from stay theirs."""

import json
from pathlib import Path
from typing import Any

import nic_core as nic
import pytest
import torch
from nic_core import cli, weights
from nic_core.weights import WeightsInfo, completing
from nic_mini.config import MiniConfig
from nic_mini.model import Mini
from nic_nn.weights.export import export
from PIL import Image
from safetensors.torch import load_file

SMALL = ["--set", "crop=64", "--set", "batch=2", "--set", "optimizer=adam", "--set", "warmup=0", "--workers", 0]
BEST = ["--set", "synthesis_widths=8,12,8", "--set", "synthesis_blocks=2,1,1"]


def train(*arguments: Any) -> int:
    return cli.run(["train", *map(str, arguments)])


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return tiny weights of mini, as whose record lacks sizes of the synthesis."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("known") / "known.safetensors"
    model = Mini(MiniConfig((8, 8, 8), (1, 1, 1), (4, 4), 8, 8, 8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIC_GRAPHS", "0")
        export(model, path, WeightsInfo("mini", "known", {}, "", "", quality=(1.0, 100.0)))
    return path


@pytest.fixture(scope="module")
def trained(known: Path, make_pictures: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of two steps of a larger synthesis, beside its pictures."""
    folder = tmp_path_factory.mktemp("best")
    pictures = make_pictures(folder / "pictures", 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIC_GRAPHS", "0")
        common = ("--data", pictures, "--val", pictures, "--out", folder / "run", "--init", known, *SMALL)
        kept = ("--steps", 2, "--keep-steps", 1, "--val-steps", 1)
        assert train("mini-best", *common, *BEST, *kept, "--set", "val_crop=64") == 0
    return folder / "run"


def test_the_entropy_model_is_that_of_the_start(trained: Path, known: Path) -> None:
    before, after = weights.verify(known), weights.verify(trained / "weights.safetensors")
    assert after.entropy_id == before.entropy_id and after.synthesis_id != before.synthesis_id
    assert (after.name, after.decoder) == ("mini-best", "best")
    assert after.config["synthesis_widths"] == [8, 12, 8] and after.config["widths"] == before.config["widths"]
    ours, theirs = load_file(trained / "weights.safetensors"), load_file(known)
    same = [name for name in theirs if not name.startswith("g_s.")]
    assert all(torch.equal(ours[name], theirs[name]) for name in same)
    values = json.loads((trained / "run.json").read_text())["request"]["choice"]["values"]
    assert values["slices"] == [4, 4] and values["synthesis_blocks"] == "2,1,1"


def test_the_decoder_file_beside_decodes(
    trained: Path, known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIC_WEIGHTS", str(tmp_path / "store"))
    monkeypatch.setattr(completing, "_folder", lambda: tmp_path / "completed")
    weights.add(known)
    weights.add(trained / "weights.decoder.safetensors")
    data = nic.load("mini", known).encode(Image.open(trained.parent / "pictures" / "0.png"), 50)
    whole = nic.load("mini", trained / "weights.safetensors").decode(data)
    assert nic.decode(data, decoder="best") == whole


def test_a_run_goes_on_and_is_exported_without_its_start(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps a copy; so does a run that goes on from it."""
    monkeypatch.setenv("NIC_GRAPHS", "0")
    first = weights.read_info(trained / "weights.safetensors")
    assert train("--export", trained, "--step", 1) == 0
    early = weights.verify(trained / "weights-1.safetensors")
    assert early.entropy_id == first.entropy_id and early.synthesis_id != first.synthesis_id
    assert (trained / "weights-1.decoder.safetensors").exists()
    assert train("--from", trained, "--step", 1, "--out", tmp_path / "other") == 0
    assert weights.read_info(tmp_path / "other" / "weights.safetensors").entropy_id == first.entropy_id
    assert train("--resume", tmp_path / "other", "--steps", 3) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "trains the synthesis of weights: --init WEIGHTS.safetensors"),
        (["--init", "{known}", "--init", "{known}"], "trains the synthesis of weights: --init"),
        (["--init", "{run}"], "trains the synthesis of weights: --init"),
        (["--init", "{decoder}"], "is a decoder alone: whole weights are needed here"),
        (["--init", "{known}", "--set", "slices=2,6"], "slices of known.safetensors cannot change"),
        (["--init", "{known}", "--set", "synthesis_blocks=0,1,1"], "are less than the (1, 1, 1) of the weights"),
        (["--init", "{known}", "--set", "decoder=The best"], "decoder must be lower-case letters, digits and hyphens"),
        (["--init", "{known}", "--set", "mse=0"], "one of mse, msssim and wasserstein must be above 0"),
        (["--init", "{known}", "--set", "msssim=1"], "with msssim crop and val_crop must be above 160"),
    ],
)
def test_starts_that_cannot_be(
    arguments: list[str], message: str, trained: Path, known: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    places = {"known": known, "run": trained, "decoder": trained / "weights.decoder.safetensors"}
    given = [argument.format(**places) for argument in arguments]
    common = ("--data", trained.parent / "pictures", "--out", tmp_path / "run", "--steps", 1, *SMALL)
    assert train("mini-best", *common, *BEST, *given) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
