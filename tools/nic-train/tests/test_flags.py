"""Flags for how long, how fast and on what: epochs, milestones, crops, stages, compiled networks, TF32."""

import json

import numpy as np
import pytest
import torch
from nic_core.errors import BadOption
from nic_nn.training.augmentation import Augmentation
from nic_train import machine
from nic_train.arguments import parse_crop
from nic_train.data.annotations import Item
from nic_train.data.crops import random_crop
from nic_train.data.labels.maps import LabelMap
from nic_train.data.loader import LoaderSettings, make_loader, open_source
from nic_train.machine import products_in_tf32
from nic_train.recipes import Choice, make_recipe, make_stages

COMMON = ("--set", "batch=2", "--set", "optimizer=adam", "--set", "warmup=0", "--workers", 0, "--precision", "fp32")
SMALL = ("--set", "crop=64", *COMMON)


@pytest.fixture(scope="module")
def pictures(make_pictures, tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("data") / "pictures", 5, (200, 90))


def values_of(run):
    return json.loads((run / "run.json").read_text())["request"]["choice"]["values"]


def test_epochs_are_passes_over_the_pictures(pictures, tiny_train, tmp_path, capsys):
    run = tmp_path / "run"
    common = ("mini", "--data", pictures, "--out", run, *SMALL)
    assert tiny_train(*common, "--epochs", 2, "--milestones", "1", "--log-every", 1) == 0
    found = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert found["step"] == 5  # 2 passes of 5 pictures in batches of 2
    assert {name: values_of(run)[name] for name in ("steps", "epochs", "milestones", "schedule")} == {
        "steps": 5,
        "epochs": "2",
        "milestones": "1",
        "schedule": "drop",
    }
    (file,) = run.glob("metrics/csv/*/metrics.csv")
    header, *rows = (line.split(",") for line in file.read_text().splitlines())
    rates = [float(row[header.index("lr")]) for row in rows if row[header.index("lr")]]
    assert rates == pytest.approx([2e-3, 2e-3, 2e-4, 2e-4, 2e-4])
    assert tiny_train("--resume", run, "--epochs", 3) == 0
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["step"] == 8


def test_stages_of_a_file_say_their_steps_themselves(pictures, tiny_train, tmp_path, capsys):
    file = tmp_path / "two.toml"
    file.write_text('[[stages]]\nname = "one"\nsteps = 1\n[[stages]]\nname = "two"\nsteps = 1\n')
    common = ("mini", "--data", pictures, "--out", tmp_path / "run", *SMALL, "--recipe", file)
    assert tiny_train(*common, "--epochs", 2) == 1
    assert "--epochs cannot" in capsys.readouterr().err
    assert tiny_train(*common, "--stages", "one,three") == 1
    assert "the recipe has no stage 'three'; it has one, two" in capsys.readouterr().err
    assert tiny_train(*common, "--stages", "two") == 0
    assert torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["step"] == 1


@pytest.mark.parametrize(("steps", "expected"), [(None, (100, 200)), (9, (3, 6)), (1, (0, 1))])
def test_chosen_stages_share_the_steps_as_in_the_whole_recipe(steps, expected):
    values = {"steps": steps} if steps else {}
    choice = Choice("egic", values, only=["orp", "adversarial"])
    stages = make_stages(make_recipe("egic", choice), choice)
    assert [stage.name for stage in stages] == ["adversarial", "orp"]
    assert tuple(stage.steps // (1 if steps else 10_000) for stage in stages) == expected


@pytest.mark.parametrize(
    ("text", "values"),
    [("256", {"crop": "256", "crop_width": "0"}), ("256x384", {"crop": "256", "crop_width": "384"})],
)
def test_crops_are_sides_or_height_and_width(text, values):
    assert parse_crop(text) == values


@pytest.mark.parametrize("text", ["", "x", "256x", "x256", "256X384", "-1", "1x2x3"])
def test_a_crop_of_another_form_is_refused(text):
    with pytest.raises(BadOption, match="256x384"):
        parse_crop(text)


def test_crops_need_not_be_square(pictures, tiny_train, tmp_path, capsys):
    run = tmp_path / "run"
    assert tiny_train("mini", "--data", pictures, "--out", run, *COMMON, "--crop", "64x128", "--steps", 1) == 0
    assert values_of(run)["crop_width"] == "128"
    assert tiny_train("mini", "--data", pictures, "--out", tmp_path / "other", *COMMON, "--crop", "128x64") == 1
    assert "none of 5 pictures" in (error := capsys.readouterr().err) and "128x64 pixels (height and width)" in error
    assert tiny_train("mini", "--data", pictures, "--out", tmp_path / "other", *COMMON, "--crop", "64x100") == 1
    assert "crop must be a multiple of 64" in capsys.readouterr().err


def test_batches_have_the_height_and_width(pictures):
    source = open_source(str(pictures), (64, 128), quiet=True)
    (batch,) = make_loader(source, LoaderSettings(2, (64, 128), seed=0), 0, 1)
    assert batch.pixels.shape == (2, 3, 64, 128)


def test_labels_lie_where_the_pixels_do_in_any_form_of_crop():
    """Pixels hold the class, which changes every 8 pixels: what was cut and scaled must agree but for edges."""
    classes = (np.add.outer(np.arange(96) // 8 * 7, np.arange(160) // 8 * 11) % 13).astype(np.uint8)
    item = Item(np.repeat(classes[:, :, None], 3, 2) * 19, (), LabelMap(classes))
    for key, scale in ((1, (1.0, 1.0)), (2, (1.5, 2.0)), (3, (0.3, 0.4))):
        sample = random_crop(item, key, "a", (32, 64), Augmentation(scale=scale))
        assert sample.pixels.shape == (32, 64, 3) and sample.labels.shape == (32, 64)
        off = np.abs(sample.pixels[..., 0].astype(int) - 19 * sample.labels.astype(int)) > 12
        assert off.mean() < (0.001 if scale == (1.0, 1.0) else 0.6)


@pytest.mark.parametrize("compiler", ["aot_eager", pytest.param("inductor", marks=pytest.mark.long)])
def test_networks_are_compiled_by_flag(compiler, pictures, tiny_train, tmp_path, monkeypatch):
    """The first one of the compilers generates no code, which takes a minute."""
    monkeypatch.setattr(machine, "COMPILER", compiler)
    begun = []
    fit = machine.compile_networks
    monkeypatch.setattr("nic_train.run.compile_networks", lambda networks: (begun.append(networks), fit(networks)))
    common = ("mini", "--data", pictures, "--val", pictures, *SMALL, "--steps", 2, "--val-steps", 1)
    assert tiny_train(*common, "--out", tmp_path / "run", "--compile") == 0
    (networks,) = begun
    assert all(getattr(networks.model, name)._compiled_call_impl for name in ("g_a", "g_s", "h_a", "h_s"))
    assert tiny_train(*common, "--out", tmp_path / "plain") == 0
    compiled, plain = (
        torch.load(tmp_path / run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in ("run", "plain")
    )
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, atol=5e-3, rtol=0)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["request"]["compile"] is True


@pytest.mark.parametrize("allowed", [True, False, None])
def test_tf32_is_allowed_for_a_run_only(allowed):
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    with products_in_tf32(allowed):
        expected = before if allowed is None else [allowed] * 2
        assert [switch.allow_tf32 for switch in switches] == expected
    assert [switch.allow_tf32 for switch in switches] == before


def test_tf32_is_kept_by_the_run(pictures, tiny_train, tmp_path):
    run = tmp_path / "run"
    assert tiny_train("mini", "--data", pictures, "--out", run, *SMALL, "--steps", 1, "--tf32") == 0
    assert json.loads((run / "run.json").read_text())["request"]["tf32"] is True
