"""OASIS-C trained once, alone, and used by other runs; exported, and read from the authors' checkpoint."""

import numpy as np
import pytest
import torch
from nic_core import cli
from nic_core.errors import BadWeights, NicError
from nic_egic.discriminator import OasisC
from nic_egic.recipe import EgicRecipe
from nic_train.request import read_record
from nic_train.restoring import restore
from nic_train.start.parts import part_info, read_part
from PIL import Image
from test_discriminator import checkpoint

CLASSES = 5
SMALL = {"width": 32, "disc_width": 8}
REST = "generator,adversarial,orp"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three pictures of rectangles, and label maps of these."""
    folder, labels = tmp_path_factory.mktemp("pictures"), tmp_path_factory.mktemp("labels")
    rng = np.random.default_rng(0)
    for name in "abc":
        regions = rng.integers(0, CLASSES, (4, 5), np.uint8)
        regions[0, 0] = CLASSES - 1
        Image.fromarray(regions * 40).convert("RGB").resize((160, 128), 0).save(folder / f"{name}.png")
        Image.fromarray(regions).resize((160, 128), 0).save(labels / f"{name}.png")
    return folder, labels


def train(data, run, *more):
    folder, maps = data
    settings = {**SMALL, "crop": 64, "batch": 4, "val_crop": 64}
    values = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    arguments = ["egic", "--data", folder, "--labels", maps, "--out", run, *values, "--workers", 0, "--no-lpips"]
    return cli.run(["train", *map(str, [*arguments, "--precision", "fp32", *more])])


@pytest.fixture(scope="module")
def oasis(data, tmp_path_factory):
    """A run of the segmenter alone."""
    run = tmp_path_factory.mktemp("oasis") / "oasis"
    assert train(data, run, "--val", data[0], "--stages", "segmentation", "--steps", 2, "--val-steps", 1) == 0
    return run


def test_the_segmenter_alone_is_validated_and_exported(oasis, capsys):
    assert sorted(path.name for path in oasis.glob("*.safetensors")) == [
        *("adversary-best.safetensors", "adversary.safetensors")
    ]
    assert restore(oasis).learned == ("adversary",)
    names = next(oasis.glob("metrics/csv/*/metrics.csv")).read_text().splitlines()[0].split(",")
    assert "val_adversary_loss" in names and "loss" not in names
    assert '"value": "adversary_loss"' in (oasis / "best.json").read_text()
    info = part_info(oasis / "adversary.safetensors")
    assert (info.codec, info.part) == ("egic", "adversary")
    state = read_part(oasis / "adversary.safetensors")
    OasisC.of(SMALL["disc_width"], CLASSES, restore(oasis).loop.networks.model.channels[0]).load_state_dict(state)
    assert cli.run(["train", "--export", str(oasis), "--part", "model"]) == 1
    assert "still as it was drawn; what has learned: adversary" in capsys.readouterr().err


@pytest.mark.parametrize("of", ["run", "part"])
def test_it_is_used_for_any_lambda(of, oasis, data, tmp_path, capsys, monkeypatch):
    source = oasis if of == "run" else oasis / "adversary.safetensors"
    begun = []
    monkeypatch.setattr("nic_train.run._fit", lambda request, out, trainer, loop, *more: begun.append(loop))
    assert train(data, tmp_path / "run", "--stages", REST, "--init", source, "--lambda", 0.5) == 0
    said = "oasis step 2: its adversary with optimizers" if of == "run" else "adversary: its adversary\n"
    assert f"starting from {said}" in capsys.readouterr().err
    expected = read_part(oasis / "adversary.safetensors")
    for name, value in begun[0].networks.adversary.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert set(read_record(tmp_path / "run").initial) == {"adversary"}


def test_weights_and_the_segmenter_together_go_through_the_other_phases(oasis, data, tmp_path):
    first, run = tmp_path / "first", tmp_path / "run"
    assert train(data, first, "--stages", "generator", "--steps", 1) == 0
    weights = first / "weights.safetensors"
    stages = ("--stages", "adversarial,orp", "--steps", 3)
    assert train(data, run, *stages, "--init", weights, "--init", oasis) == 0
    assert set(read_record(run).initial) == {"name", "entropy_id", "synthesis_id", "adversary"}
    assert (run / "weights.safetensors").exists()
    assert cli.run(["train", "--export", str(run), "--part", "adversary"]) == 0
    assert part_info(run / "adversary.safetensors").part == "adversary"


def test_the_authors_segmenter_is_read_by_the_same_flag(data, tmp_path, capsys, monkeypatch):
    torch.manual_seed(1)
    published = OasisC.of(SMALL["disc_width"], CLASSES, EgicRecipe("egic", **SMALL).build_model().channels[0])
    monkeypatch.setattr("nic_egic.recipe.read_variables", lambda path: checkpoint(published))
    (tmp_path / "ckpt-1000000.index").touch()
    begun = []
    monkeypatch.setattr("nic_train.run._fit", lambda request, out, trainer, loop, *more: begun.append(loop))
    assert train(data, tmp_path / "run", "--stages", REST, "--init", tmp_path / "ckpt-1000000") == 0
    assert "starting from ckpt-1000000: its adversary" in capsys.readouterr().err
    for name, value in published.state_dict().items():
        assert torch.equal(begun[0].networks.adversary.state_dict()[name], value), name


def test_a_checkpoint_of_neither_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("nic_egic.recipe.read_variables", lambda path: {"counter": np.zeros(1)})
    with pytest.raises(BadWeights, match="no variables of EGIC and none of OASIS-C"):
        EgicRecipe("egic", **SMALL).published(tmp_path)


def test_without_labels_there_is_no_network_for_it(oasis, data, tmp_path, capsys):
    assert train(data, tmp_path / "run", "--stages", "generator", "--init", oasis, "--steps", 1) == 1
    assert "gives adversary, which these networks have not" in capsys.readouterr().err
    with pytest.raises(NicError):
        read_record(tmp_path / "run")
