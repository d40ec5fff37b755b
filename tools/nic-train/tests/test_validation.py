"""Validation: the best checkpoint, whole pictures really coded, and rates that follow the loss."""

import csv
import json
import math

import pytest
import torch
from nic_core.weights import read_info
from nic_train.validation.best import Best, improves
from nic_train.validation.measures import measure

COMMON = ("--set", "crop=64", "--set", "batch=2", "--set", "optimizer=adam", "--set", "warmup=0", "--workers", 0,
          "--precision", "fp32")  # fmt: skip


@pytest.fixture(scope="module")
def pictures(make_pictures, tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("data") / "pictures", 3, (100, 90))


def rows_of(run):
    """Return what the metrics of the run hold, without empty fields."""
    with max(run.glob("metrics/csv/*/metrics.csv")).open() as lines:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(lines)]


@pytest.fixture
def found(monkeypatch):
    """Have validation find such losses, one at each step; all else is measured."""

    def script(*losses):
        monkeypatch.setattr(
            "nic_train.validation.callback.measure",
            lambda loop, batches: {**measure(loop, batches), "loss": losses[loop.step - 1]},
        )

    return script


def best_of(run):
    return json.loads((run / "best.json").read_text())


@pytest.mark.parametrize(
    ("value", "before", "now", "better"),
    [
        ("loss", 2.0, 1.0, True),
        ("loss", 1.0, 1.0, False),
        ("coded_psnr", 30.0, 31.0, True),
        ("ms-ssim", 0.9, 0.8, False),
        ("loss", 1.0, math.nan, False),
    ],
)
def test_what_is_better_follows_from_the_name(value, before, now, better):
    old, new = (Best(value, step, "all", {value: number}) for step, number in ((1, before), (2, now)))
    assert improves(new, old) is better


def test_another_stage_or_value_begins_anew():
    old = Best("loss", 1, "one", {"loss": 1.0, "psnr": 30.0})
    assert improves(Best("loss", 2, "two", {"loss": 2.0}), old)
    assert improves(Best("psnr", 2, "one", {"psnr": 20.0}), old)
    assert improves(Best("loss", 2, "one", {"loss": 2.0}), None)


def test_the_best_is_kept_beside_the_last(pictures, tiny_train, tmp_path, capsys, found):
    run = tmp_path / "run"
    found(5.0, 3.0, 4.0)
    arguments = ("--data", pictures, "--val", pictures, "--out", run, *COMMON, "--val-steps", 1, "--set", "ema=0")
    assert tiny_train("mini", *arguments, "--steps", 3) == 0
    losses = {int(row["step"]): row["val_loss"] for row in rows_of(run) if "val_loss" in row}
    best = best_of(run)
    assert best["value"] == "loss" and best["stage"] == "all"
    assert losses[best["step"]] == min(losses.values()) == pytest.approx(best["values"]["loss"])
    assert {"bpp", "psnr", "loss"} <= set(best["values"])
    assert f"{run}/weights.safetensors" in (out := capsys.readouterr().out) and f"{run}/best.safetensors" in out
    last, kept = (torch.load(run / "checkpoints" / name, weights_only=True) for name in ("last.ckpt", "best.ckpt"))
    assert (kept["step"], best["step"], last["step"]) == (2, 2, 3)
    infos = [read_info(run / name) for name in ("weights.safetensors", "best.safetensors")]
    assert infos[1].provenance["summary"].startswith(f"{best['step']} steps")
    assert infos[0].synthesis_id != infos[1].synthesis_id
    assert tiny_train("--export", run, "--step", "best", "--name", "chosen") == 0
    assert read_info(run / "best.safetensors").name == "chosen"


def test_a_resumed_run_remembers_the_best(pictures, tiny_train, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    arguments = ("--data", pictures, "--val", pictures, *COMMON, "--val-steps", 1, "--set", "lr=0.03", "--set", "ema=0")
    assert tiny_train("mini", *arguments, "--out", whole, "--steps", 4, "--best", "psnr") == 0
    assert tiny_train("mini", *arguments, "--out", broken, "--steps", 4, "--best", "psnr", "--minutes", 1e-9) == 0
    assert best_of(broken)["step"] == 1
    assert tiny_train("--resume", broken) == 0
    assert best_of(broken) == best_of(whole)
    assert read_info(whole / "best.safetensors").synthesis_id == read_info(broken / "best.safetensors").synthesis_id


def test_no_best_is_kept_where_none_is_wanted(pictures, tiny_train, tmp_path, capsys):
    run = tmp_path / "run"
    common = ("mini", "--data", pictures, *COMMON, "--steps", 1, "--val-steps", 1)
    assert tiny_train(*common, "--out", run, "--val", pictures, "--best", "none") == 0
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["last.ckpt"]
    assert not (run / "best.json").exists() and not (run / "best.safetensors").exists()
    assert tiny_train(*common, "--out", tmp_path / "other", "--best", "psnr") == 1
    assert "--val DIR" in capsys.readouterr().err
    assert tiny_train(*common, "--out", tmp_path / "other", "--val", pictures, "--best", "beauty") == 1
    error = "validation has no value 'beauty' to choose the best by; it has bpp, coded_bpp, loss, psnr"
    assert error in capsys.readouterr().err


def test_whole_pictures_are_coded_and_measured(pictures, tiny_train, tmp_path):
    run = tmp_path / "run"
    arguments = ("--data", pictures, "--val", pictures, "--out", run, *COMMON, "--set", "val_whole=true")
    assert tiny_train("mini", *arguments, "--steps", 2, "--val-steps", 1, "--best", "coded_psnr") == 0
    rows = [row for row in rows_of(run) if "val_loss" in row]
    assert len(rows) == 2
    for row in rows:  # 90x100 pixels are too few for MS-SSIM
        assert {"val_coded_bpp", "val_coded_psnr"} <= set(row) and "val_coded_ms-ssim" not in row
        assert 0 < row["val_coded_bpp"] < 24 and 0 < row["val_coded_psnr"] < 60
    assert best_of(run)["values"]["coded_psnr"] == pytest.approx(max(row["val_coded_psnr"] for row in rows))


def test_large_whole_pictures_have_ms_ssim(make_pictures, tiny_train, tmp_path):
    data = make_pictures(tmp_path / "data", 2, (200, 170))
    arguments = ("--data", data, "--val", data, "--out", tmp_path / "run", *COMMON, "--set", "val_whole=true")
    assert tiny_train("mini", *arguments, "--steps", 1, "--val-steps", 1) == 0
    (row,) = [row for row in rows_of(tmp_path / "run") if "val_loss" in row]
    assert 0 < row["val_coded_ms-ssim"] <= 1


def test_the_quantiles_loss_is_logged(pictures, tiny_train, tmp_path):
    run = tmp_path / "run"
    assert tiny_train("mini", "--data", pictures, "--out", run, *COMMON, "--steps", 2, "--log-every", 1) == 0
    losses = [row["aux_loss"] for row in rows_of(run)]
    assert len(losses) == 2 and all(math.isfinite(loss) and loss > 0 for loss in losses)


def test_rates_fall_on_a_plateau_and_a_resumed_run_knows(pictures, tiny_train, tmp_path, capsys, found):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    found(5.0, 6.0, 6.0, 4.0, 4.1, 4.2)
    values = ("--set", "schedule=plateau", "--set", "patience=1", "--set", "ema=0.9", "--best", "none")
    arguments = ("mini", "--data", pictures, *COMMON, *values, "--val-steps", 1, "--log-every", 1, "--steps", 6)
    assert tiny_train(*arguments, "--out", whole) == 1
    assert "--val DIR" in capsys.readouterr().err
    arguments = (*arguments, "--val", pictures)
    assert tiny_train(*arguments, "--out", whole) == 0
    rates = [row["lr"] for row in rows_of(whole) if "lr" in row]
    assert rates == pytest.approx([2e-3, 2e-3, 2e-3, 2e-4, 2e-4, 2e-4])
    assert tiny_train(*arguments, "--out", broken, "--minutes", 1e-9) == 0
    assert tiny_train("--resume", broken, "--minutes", 1e-9) == 0  # in the middle of waiting
    assert tiny_train("--resume", broken) == 0
    last, other = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (whole, broken))
    assert last["plateau"] == other["plateau"] == {"factor": pytest.approx(0.01), "best": 4.0, "waited": 0}
    for name, value in last["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name]), name
