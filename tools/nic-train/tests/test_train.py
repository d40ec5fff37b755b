"""nic train through its command line: three steps, a stop and a resume, an export that encodes."""

import csv
import json
import resource

import numpy as np
import pytest
from nic_core import cli
from nic_core.weights import read_info
from PIL import Image

NEW = ["--data", "tiny", "--out", "run"]
SMALL = ["--set", "crop=64", "--set", "batch=2", "--set", "warmup=0"]


@pytest.fixture(autouse=True)
def few_channels(tiny_train):
    """Of mini, in all tests: what is tested here does not depend on the size."""


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(3):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        coarse.resize((96, 80), Image.Resampling.BICUBIC).save(folder / "deeper" / f"{i}.png")
    (folder / "broken.png").write_bytes(b"not a picture")
    Image.new("RGB", (10, 10)).save(folder / "small.png")
    return folder


def train(*args):
    return cli.run(["train", *map(str, args)])


def steps_of(run):
    with open(next(run.glob("metrics/**/metrics.csv"))) as file:
        return [row for row in csv.DictReader(file) if row["loss"]]


def test_three_steps_then_a_file(pictures, tmp_path, caplog, capsys):
    run = tmp_path / "run"
    common = ("--data", pictures, "--out", run, "--steps", 3, "--precision", "fp32", *SMALL)
    assert train("mini", *common, "--lambda", 0.01, "--captions", "captions.json") == 0
    errors = capsys.readouterr().err
    assert "--lambda is not used" in errors
    assert "--captions is not used" in errors
    assert "broken.png" in caplog.text
    assert "small.png" in caplog.text
    info = read_info(run / "weights.safetensors")
    assert (info.codec, info.quality) == ("mini", (1.0, 100.0))
    assert info.provenance["values"]["steps"] == 3
    assert json.loads((run / "run.json").read_text())["data"]["pictures"] == 3

    source, coded, decoded = pictures / "deeper/0.png", tmp_path / "a.nic", tmp_path / "b.png"
    weights = ["--codec", "mini", "--weights", str(run / "weights.safetensors")]
    assert cli.run(["encode", str(source), "-o", str(coded), *weights]) == 0
    assert cli.run(["decode", str(coded), "-o", str(decoded), *weights[2:]]) == 0
    assert Image.open(decoded).size == (96, 80)


def test_resume_goes_on_and_export_is_repeatable(pictures, tmp_path, capsys):
    run = tmp_path / "run"
    common = ("--data", pictures, "--val", pictures, "--out", run, *SMALL)
    (pictures / "big.png").write_bytes(b"")
    Image.new("RGB", (300, 300), (90, 120, 30)).save(pictures / "big.png")
    assert train("mini", *common, "--steps", 2) == 0
    assert train("mini", *common, "--steps", 2) == 1
    assert "--resume" in capsys.readouterr().err
    assert train("--resume", run, "--steps", 4) == 0
    assert "4 steps" in read_info(run / "weights.safetensors").provenance["summary"]
    first = (run / "weights.safetensors").read_bytes()
    assert train("--export", run) == 0
    assert (run / "weights.safetensors").read_bytes() == first
    assert train("--export", run, "--half", "--name", "tiny", "--rank", 3) == 0
    info = read_info(run / "weights.safetensors")
    assert (info.name, info.rank) == ("tiny", 3)
    assert len((run / "weights.safetensors").read_bytes()) < len(first)
    assert train("mini", "--data", pictures, "--out", tmp_path / "second", "--steps", 1, *SMALL, "--init",
                 run / "weights.safetensors") == 0  # fmt: skip


def test_integers_of_a_run_are_made_of_what_is_said(pictures, tmp_path, capsys):
    run, weights = tmp_path / "run", tmp_path / "run" / "weights.safetensors"
    assert train("mini", "--data", pictures, "--out", run, "--steps", 1, *SMALL) == 0
    assert "its integers: ranges from 4 pictures of scikit-image; " in capsys.readouterr().out
    assert train("--export", run, "--calibrate", pictures / "deeper") == 0
    assert "its integers: ranges and tables from 3 pictures of deeper; " in capsys.readouterr().out
    known = weights.rename(tmp_path / "known.safetensors")
    assert train("--export", run, "--name", "other", "--integers-of", known) == 0
    assert "its integers: those of mini mini" in capsys.readouterr().out
    assert read_info(weights).entropy_id == read_info(known).entropy_id


def test_what_initial_weights_code_with_is_not_kept(pictures, tmp_path, monkeypatch):
    """Their tables and integers are not those of what is trained on from them."""
    run = tmp_path / "run"
    assert train("mini", "--data", pictures, "--out", run, "--steps", 1, *SMALL) == 0
    begun = []
    monkeypatch.setattr("nic_train.run._fit", lambda request, out, trainer, loop, *more: begun.append(loop))
    train("mini", "--data", pictures, "--out", tmp_path / "next", "--steps", 1, *SMALL, "--init",
          run / "weights.safetensors")  # fmt: skip
    for model in (begun[0].networks.model, begun[0].validated.model):
        assert model.tables is None
        assert model.integers is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mini", "--data", "nowhere", "--out", "run"], "nowhere is not a folder"),
        (["mini", "--data", "empty", "--out", "run"], "no pictures below"),
        (["mini", "--data", "tiny", "--out", "run"], "at least 192 pixels"),
        (["none", "--data", "tiny", "--out", "run"], "no installed package brings the codec 'none'"),
        (["mini", "--data", "tiny", "--out", "run", "--recipe", "best"], "no recipe 'best'"),
        (["mini", "--data", "tiny", "--out", "run", "--set", "speed=3"], "no value 'speed'"),
        (["mini", "--data", "tiny", "--out", "run", "--set", "batch=many"], "batch must be of type int, not 'many'"),
        (["mini", "--data", "tiny", "--out", "run", "--set", "batch"], "KEY=VALUE"),
        (["tbtc-conv-charm", *NEW, "--lambda", "0"], "lmbda must be 1e-09 to 1e+09, not 0.0"),
        (["tbtc-conv-charm", *NEW, "--lambda", "-1"], "lmbda must be 1e-09 to 1e+09, not -1.0"),
        (["tbtc-conv-charm", *NEW, "--lambda", "nan"], "lmbda must be of type float, not 'nan'"),
        (["mini", *NEW, "--calibrate", "tiny", "--integers-of", "tiny/a.png"], "do not go together"),
        (["mini", *NEW, "--set", "lr=-1"], "lr must be 0 to 1e+09, not -1.0"),
        (["mini", *NEW, "--set", "lr=inf"], "lr must be 0 to 1e+09, not inf"),
        (["mini", *NEW, "--set", "steps=0"], "steps must be 1 to 1e+09, not 0"),
        (["mini", *NEW, "--set", "batch=-8"], "batch must be 1 to 65536, not -8"),
        (["mini", *NEW, "--set", "crop=1000000000"], "crop must be 16 to 8192, not 1000000000"),
        (["mini", *NEW, "--set", "ema=1"], "ema must be 0 to 0.999999, not 1.0"),
        (["cca", *NEW, "--set", "width=-16"], "width must be 16 to 1024, not -16"),
        (["cca", *NEW, "--set", "depth=1000000000"], "depth must be 1 to 64, not 1000000000"),
        (["egic", *NEW, "--set", "scale=nan,1"], "scale must be of type float, not 'nan'"),
        (["mini", *NEW, "--minutes", "nan"], "minutes must be at least 0, not nan"),
        (["mini", *NEW, "--cache", "nan"], "cache must be"),
        (["mini", *NEW, "--name", "n" * 300], "the name must be printable and at most 100 characters"),
        (["mini", *NEW, "--name", "\x1b[2J"], "the name must be printable"),
        (["mini", *NEW, "--init", "missing.safetensors"], "cannot read missing.safetensors"),
        (["mini", "--data", "tiny", "--out", "n" * 300], "File name too long"),
        (["mini", "--data", "n" * 300, "--out", "run"], "is not a folder"),
        (["mini", "--data", "tiny", "--out", "/dev/full"], "cannot make the folder /dev/full"),
        (["mini", "--data", "tiny", "--out", "tiny"], "tiny already holds other files"),
        (["--resume", "empty"], "holds no run"),
        (["--resume", "missing"], "missing holds no run: there is no run.json in it"),
        (["--resume", "n" * 300], "holds no run"),
        (["--export", "empty"], "holds no run"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "tiny").mkdir()
    Image.new("RGB", (10, 10)).save(tmp_path / "tiny" / "a.png")
    assert train(*arguments) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nic: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "tiny"]


def test_a_run_goes_on_only_with_its_own_data_and_weights(pictures, tmp_path, capsys):
    run = tmp_path / "run"
    common = ("--data", pictures, *SMALL, "--precision", "fp32")
    assert train("mini", *common, "--out", run, "--steps", 1, "--keep-steps", 1) == 0
    assert train("--export", run, "--step", 1) == 0
    assert (run / "weights-1.safetensors").exists()
    other = tmp_path / "other"
    assert train("mini", *common, "--out", other, "--steps", 1, "--seed", 1) == 0
    Image.new("RGB", (96, 80)).save(pictures / "new.png")
    capsys.readouterr()
    assert train("--resume", run, "--steps", 2) == 1
    assert "was trained on other data: 3 files then, 4 now" in capsys.readouterr().err
    (pictures / "new.png").unlink()
    assert train("--resume", run, "--steps", 2, "--init", other / "weights.safetensors") == 1
    assert "started from random weights, not from mini" in capsys.readouterr().err
    assert train("--resume", run, "mini", "--steps", 2) == 2
    pictures.rename(tmp_path / "moved")
    assert train("--resume", run, "--steps", 2, "--data", tmp_path / "moved") == 0
    codec = "tbtc-conv-hyperprior"
    assert (
        train(codec, "--data", tmp_path / "moved", *SMALL, "--out", tmp_path / "s", "--set", "size=S", "--steps", 1)
        == 0
    )
    assert train("--resume", tmp_path / "s", "--set", "size=M", "--steps", 2) == 1
    assert "does not fit the recipe's networks" in capsys.readouterr().err


def test_a_loss_that_is_no_number_names_the_last_good_checkpoint(pictures, tmp_path, capsys):
    run = tmp_path / "run"
    common = ("--data", pictures, *SMALL, "--precision", "fp32", "--set", "optimizer=adam")
    assert train("mini", *common, "--out", run, "--steps", 1) == 0
    before = (run / "checkpoints" / "last.ckpt").read_bytes()
    capsys.readouterr()
    assert train("--resume", run, "--steps", 9, "--set", "lr=1e8", "--set", "clip=1e8") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "the loss became nan at step" in error
    assert "deeper/" in error
    assert f"the last good checkpoint is {run / 'checkpoints' / 'last.ckpt'}" in error
    assert (run / "checkpoints" / "last.ckpt").read_bytes() == before


def test_a_full_disk_leaves_the_last_checkpoint(pictures, tmp_path, capsys):
    run = tmp_path / "run"
    assert train("mini", "--data", pictures, *SMALL, "--out", run, "--steps", 1, "--precision", "fp32") == 0
    last = run / "checkpoints" / "last.ckpt"
    before = last.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))  # larger files fail as they do on a full disk
    try:
        assert train("--resume", run, "--steps", 2) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "nic: cannot write last.ckpt in the folder" in capsys.readouterr().err
    assert last.read_bytes() == before
    assert [path.name for path in last.parent.iterdir()] == ["last.ckpt"]
    assert train("--resume", run, "--steps", 2) == 0


def test_weights_and_biases_by_flag(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = tmp_path / "run"
    common = ("--data", pictures, *SMALL, "--out", run, "--steps", 1, "--precision", "fp32")
    assert train("mini", *common, "--wandb", "tests") == 0
    assert list(run.glob("wandb/offline-run-*/*.wandb"))


def test_a_batch_that_cannot_be_divided(pictures, tmp_path, capsys):
    common = ("--data", pictures, *SMALL, "--out", tmp_path / "run", "--steps", 1)
    assert train("mini", *common, "--accumulate", 4) == 1
    assert "batch 2 cannot be split over 1 processes x 4 accumulated pieces" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_single_rate_weights_know_their_lambda(pictures, tmp_path):
    run, codec = tmp_path / "run", "tbtc-conv-hyperprior"
    common = ("--data", pictures, "--out", run, "--steps", 1, *SMALL, "--set", "size=S")
    assert train(codec, *common, "--lambda", 0.0063) == 0
    info = read_info(run / "weights.safetensors")
    assert (info.codec, info.lmbda) == (codec, 0.0063)
    assert info.quality == pytest.approx(50.4, abs=0.2)


def test_missing_arguments_are_a_usage_error(capsys):
    assert train("mini") == 2
    assert "--data" in capsys.readouterr().err
