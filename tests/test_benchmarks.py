"""Benchmarks that look for differences find one where there is one, and none in what integers decide."""

import time
from pathlib import Path

import click
import nic_core as nic
import numpy as np
import pytest
import torch
from cells import Cell, compare, dump
from effort import Wanted
from effort import compare as compare_efforts
from nic_core import native
from nic_core.host.cache import Cache
from nic_core.weights import WeightsInfo
from nic_latent.integers.executor import only_numpy
from nic_mini.config import MiniConfig
from nic_mini.model import Mini
from nic_nn.model import LatentModel
from nic_nn.testing import Tiny, TinyConfig
from nic_nn.weights.export import export
from nic_nn.weights.random_weights import filled
from noise import lost
from PIL import Image
from settings import Way
from skimage import data
from training_speed import main as run_training_speed
from under_setting import SETTINGS, code
from vs_reference import HEIGHT, WEIGHTS, WIDTH, ours, run_at_once, times
from widen_mini import left_of, opened, widened

PIXELS = np.random.default_rng(0).integers(0, 256, (65, 97, 3), np.uint8)
NUMPY = Cell(in_c=False, isa="plain", threads=1)


@pytest.fixture(scope="module")
def tiny() -> LatentModel:
    """Return a model with integers and random weights."""
    model = filled(Tiny(TinyConfig()))
    assert isinstance(model, LatentModel)
    model.make_integers()
    return model


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return random weights of a small mini, with graphs."""
    config = MiniConfig((8, 8, 8), (1, 1, 1), (2, 4), hyper=4, features=8, context=8, rest=3)
    model, path = filled(Mini(config)), tmp_path_factory.mktemp("weights") / "mini.safetensors"
    assert isinstance(model, LatentModel)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NIC_GRAPHS", raising=False)
        export(model, path, WeightsInfo("mini", "random", {}, "", "", quality=(1.0, 100.0)))
    return path


@pytest.mark.skipif(bool(native.why_not()), reason=native.why_not())
def test_cells_agree(tiny: LatentModel) -> None:
    given, others = compare(tiny, [("odd", PIXELS)], [NUMPY, Cell(in_c=True, isa="plain", threads=2)])
    assert others == []
    assert given[0].symbols == 8 * 8 * 6 + 2 * 2 * 4
    assert given[0].zeros < given[0].symbols


def test_a_cell_with_other_latents_does_not_agree(tiny: LatentModel, tmp_path: Path) -> None:
    with only_numpy():
        expected = dump(tiny, [("odd", PIXELS)], tmp_path)
    kept = dict(np.load(tmp_path / "odd-0.npz"))
    np.savez(tmp_path / "odd-0.npz", **{**kept, "y": kept["y"] + 1})
    (here,), (there,) = expected.values(), NUMPY.run(tmp_path).values()
    assert (here.encoded, here.stream) != (there.encoded, there.stream)
    assert (here.decoded, here.y_hat) == (there.decoded, there.y_hat)


@pytest.mark.parametrize("name", list(SETTINGS))
def test_files_decode_under_every_setting(name: str, weights: Path, tmp_path: Path) -> None:
    picture, file = tmp_path / "odd.png", tmp_path / "odd.nic"
    Image.fromarray(PIXELS).save(picture)
    usual = nic.load("mini", weights, "cpu", "torch")
    other = nic.load("mini", weights, "cpu", SETTINGS[name].runtime, Cache(1))  # a model that the setting changes
    assert code(usual, "encode", 50.0, picture, file)
    with SETTINGS[name].block(other.model):
        shown = code(other, "decode", 50.0, picture, file)
        assert code(other, "encode", 50.0, picture, file)
    assert shown
    assert code(usual, "decode", 50.0, picture, file)


def test_a_process_of_a_setting_tells_which_files_are_lost(weights: Path, tmp_path: Path) -> None:
    codec = nic.load("mini", weights, "cpu")
    files = [tmp_path / "whole.nic", tmp_path / "damaged.nic"]
    files[0].write_bytes(codec.encode(PIXELS))
    files[1].write_bytes(files[0].read_bytes()[:-1])
    jobs = [("mini", str(weights), None, "", str(file)) for file in files]
    whole, damaged = Way("oneDNN off").run("decode", jobs, tmp_path)
    assert whole
    assert damaged is None


def test_noise_loses_no_file(weights: Path) -> None:
    codec = nic.load("mini", weights, "cpu")
    assert not any(lost(codec, PIXELS, 50.0, *noise) for noise in ((0.1, 0.0), (0.0, 0.1)))


def test_both_directions_are_timed_in_turns() -> None:
    calls: list[str] = []
    found = times(lambda: calls.append("encode"), lambda _: calls.append("decode"), 0.0, time.perf_counter)
    assert calls == ["encode", "decode"] * 3  # the first of them to warm up
    assert {direction: len(seconds) for direction, seconds in found.items()} == {"encode": 2, "decode": 2}


def test_our_side_codes(weights: Path, tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).symlink_to(weights)
    encode, decode = ours("mini", "torch", tmp_path)
    assert decode(encode()).shape == (HEIGHT, WIDTH, 3)


def test_a_checkout_of_something_else_is_one_line(tmp_path: Path) -> None:
    command = ["cca", "--checkout", str(tmp_path), "--folder", str(tmp_path), "--side", "checkpoint"]
    with pytest.raises(click.ClickException, match="LICAutoencoder"):
        run_at_once([command])


@torch.inference_mode()
def test_wider_weights_of_mini_give_the_same_picture_at_the_same_lambda():
    config = MiniConfig((8, 8, 8), slices=(4, 8), hyper=8, features=8, context=8, levels=3)
    old = filled(Mini(config)).eval()
    new = widened(old, 4, 2).eval()
    assert new.config.slices == (4, 12) and new.config.levels == 5
    assert float(new.lambda_of(torch.tensor(50.5))) == pytest.approx(config.lambdas[1])
    x = torch.rand(1, 3, 64, 64)
    for quality, same in ((1.0, 1.0), (50.5, 25.75), (100.0, 50.5)):
        assert new(x, same)["x_hat"].allclose(old(x, quality)["x_hat"], atol=1e-4)


def test_what_the_transforms_leave_goes_into_the_last_channels_of_y():
    """A transform that is 2 channels wide at 1/16 leaves most of a picture, however many latents there are."""
    torch.manual_seed(0)
    old = Mini(MiniConfig((4, 4, 2), (1, 1, 1), (4, 60), hyper=4, features=8, context=8)).eval()
    picture = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None].float() / 255
    pictures = torch.cat([part for row in picture.split(256, 2) for part in row.split(256, 3)])
    fine = opened(widened(old, 0, 2), 24, left_of(pictures, old))
    finer = opened(widened(fine, 24, 0), 24, left_of(pictures, fine))
    errors = [left_of(pictures, model).square().mean() for model in (old, fine, finer)]
    assert errors[1] < 0.2 * errors[0]
    assert errors[2] < 0.5 * errors[1]
    assert finer.config.rest == 48
    with torch.inference_mode():
        low, high = (finer.analyse(pictures, quality)[:, -48:].std() for quality in (1.0, 100.0))
    assert high / low == pytest.approx((finer.config.lambdas[1] / finer.config.lambdas[0]) ** 0.5, rel=0.05)


def test_efforts_are_compared_with_none(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    Image.fromarray(data.coffee()[:100, :120]).save(tmp_path / "a.png")
    wanted = Wanted(tmp_path, "mini", (20, 50, 80), (1,), crop=64, first=None, every=1)
    compare_efforts(wanted)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "mini, 1 pictures, 64 pixels a side, qualities 20, 50, 80"
    effort, rate, worst, seconds, _ = map(float, shown[3].split())
    assert effort == 1
    assert rate == worst < 0
    assert seconds > 0


def test_training_speed_trains_a_checkout_step_by_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = ("widths=8,8,8", "blocks=0,0,0", "slices=2,4", "hyper=4", "features=8", "context=8", "crop=64", "batch=1")
    Image.fromarray(data.coffee()[:128, :128]).save(tmp_path / "cup.png")
    run_training_speed(["mini", "--data", str(tmp_path), "--steps", "3", *(f"--set=mini.{shape}" for shape in shapes)])
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| this |"))
    assert float(row.split("|")[2]) > 0
