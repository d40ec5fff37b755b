"""Training with captions: three steps with every loss, and with each alone, by the real command."""

import json
import math

import numpy as np
import pytest
import torch
from nic_core import cli
from nic_core.errors import BadOption
from nic_core.weights import read_info
from nic_nn.distances.lpips import lpips
from nic_nn.testing import write_random_alexnet
from nic_nn.training.batch import Batch
from nic_taco.losses import joint_image_text
from nic_taco.recipe import TacoRecipe
from nic_taco.text import load_text_encoder
from PIL import Image
from tiny_clip import TEXT_WIDTH, write_random_clip

SMALL = {"width": 24, "text_width": TEXT_WIDTH}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Small CLIP and AlexNet with random weights, as values of a recipe."""
    folder = tmp_path_factory.mktemp("random")
    return {"clip_path": str(write_random_clip(folder)), "lpips_path": str(write_random_alexnet(folder))}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three pictures, and a file of their captions."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(3):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        coarse.resize((96, 80), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    captions = folder.parent / "captions.json"
    captions.write_text(json.dumps({"0.png": ["a red door", "the door"], "1.png": "two dogs", "2.png": "été"}))
    return folder, captions


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.rand(2, 3, 64, 64, generator=generator), torch.arange(2), ("a", "b"), ("a red door", "dogs"))


def train(data, run, *values, captions=True):
    folder, file = data
    arguments = ["train", "taco", "--data", folder, "--val", folder, "--out", run, "--steps", 3, "--val-steps", 3]
    small = {**SMALL, "crop": 64, "batch": 2}
    settings = [f"{name}={value}" for name, value in small.items()] + list(values)
    arguments += [part for setting in settings for part in ("--set", setting)]
    arguments += ["--captions", file] if captions else []
    return cli.run([*map(str, arguments), "--workers", "0"])


@pytest.mark.parametrize(
    ("weights", "shown"),
    [({}, {"lpips", "joint"}), ({"k_j": 0}, {"lpips"}), ({"k_p": 0}, {"joint"}), ({"k_p": 0, "k_j": 0}, set())],
    ids=["all", "lpips", "joint", "neither"],
)
def test_three_steps_with_each_loss(weights, shown, networks, data, tmp_path):
    needed = {"clip_path": networks["clip_path"]}
    if "k_p" not in weights:
        needed["lpips_path"] = networks["lpips_path"]
    assert train(data, tmp_path, *(f"{name}={value}" for name, value in {**weights, **needed}.items())) == 0
    rows = next(tmp_path.glob("metrics/**/metrics.csv")).read_text().splitlines()
    columns = rows[0].split(",")
    values = [dict(zip(columns, row.split(","), strict=True)) for row in rows[1:]]
    coded = {"val_coded_bpp", "val_coded_psnr", *(["val_coded_lpips"] if "lpips" in shown else [])}
    for name in {"loss", "bpp", "psnr", "val_loss"} | coded | shown | {f"val_{name}" for name in shown}:
        seen = [float(row[name]) for row in values if row[name]]
        assert seen and all(map(math.isfinite, seen)), name
    assert not ({"lpips", "joint"} - shown) & {name.removeprefix("val_").removeprefix("coded_") for name in columns}
    assert read_info(tmp_path / "weights.safetensors").config["text_width"] == TEXT_WIDTH


def test_the_loss_is_the_sum_of_its_terms(networks, batch):
    recipe = TacoRecipe("taco", **SMALL, **networks)
    trained = recipe.build()
    trained.model.eval()
    with torch.no_grad():
        values = recipe.loss(trained, batch)
        encoder = load_text_encoder(networks["clip_path"])
        output = trained.model(batch.pixels, encoder.embed(batch.text))
        x_hat, x = output["x_hat"], batch.pixels
        bpp = sum(bits.sum() for bits in output["bits"].values()) / (2 * 64 * 64)
        distance = lpips(x_hat, x, networks["lpips_path"], "unit").mean()
        joint = joint_image_text(x_hat, x, batch.text, encoder)
        expected = bpp + 0.0004 * 255**2 * (x_hat - x).square().mean() + 3.5 * distance + 0.0025 * joint
    assert abs(values["loss"] / expected - 1) < 1e-5
    found = {name: float(values[name]) for name in ("bpp", "lpips", "joint")}
    assert found == pytest.approx({"bpp": float(bpp), "lpips": float(distance), "joint": float(joint)}, rel=1e-5)
    signed = TacoRecipe("taco", **SMALL, **networks, lpips_range="signed").loss(trained, batch)
    assert signed["lpips"] > 1.05 * values["lpips"]


def test_the_caption_reaches_the_encoder(networks, batch):
    recipe = TacoRecipe("taco", **SMALL, **networks, k_p=0, k_j=0)
    trained = recipe.build()
    trained.model.eval()
    gains = [parameter for name, parameter in trained.model.named_parameters() if name.endswith("gamma")]
    assert gains
    for gain in gains:  # zero at first
        torch.nn.init.ones_(gain)
    other = Batch(batch.pixels, batch.keys, batch.files, ("a blue door", "cats"))
    with torch.no_grad():
        assert recipe.loss(trained, batch)["loss"] != recipe.loss(trained, other)["loss"]


def test_networks_are_needed_only_for_their_loss(networks, batch):
    recipe = TacoRecipe("taco", **SMALL, clip_path=networks["clip_path"], lpips_path="missing", k_p=0)
    assert recipe.loss(recipe.build(), batch)["loss"].isfinite()


def test_whole_pictures_are_coded_with_their_captions(networks):
    recipe = TacoRecipe("taco", **SMALL, **networks)
    assert recipe.val_whole
    trained = recipe.build()
    trained.model.eval()
    for name, parameter in trained.model.named_parameters():
        if name.endswith("gamma"):  # zero at first
            torch.nn.init.constant_(parameter, 100.0)
    x = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    first, second = (Batch(x, torch.arange(1), ("a",), (text,)) for text in ("a red door", "cats"))
    with torch.no_grad(), trained.model.in_floats():
        streams = [recipe.compress(trained, batch).streams for batch in (first, first, second)]
        output = recipe.forward(trained, first)["x_hat"].clamp(0, 1)
        values = recipe.fidelity(output, x)
    assert streams[0] == streams[1] != streams[2]
    assert set(values) == {"psnr", "ms-ssim", "lpips"}
    assert values["lpips"] == pytest.approx(float(lpips(output, x, networks["lpips_path"], "unit").mean()))
    assert set(TacoRecipe("taco", **SMALL, k_p=0).fidelity(x, x)) == {"psnr", "ms-ssim"}


def test_defaults_are_the_authors():
    recipe = TacoRecipe("taco")
    assert (recipe.lmbda, recipe.k_p, recipe.k_j, recipe.lpips_range) == (0.0004, 3.5, 0.0025, "unit")
    assert (recipe.batch, recipe.crop, recipe.clip, recipe.lr, recipe.aux_lr) == (8, 256, 1.0, 1e-4, 1e-3)
    (stage,) = recipe.stages()
    assert stage.steps == recipe.steps == 517_000
    factors = [recipe.at(stage).rate_at(step, 5000) for step in range(5000)]
    assert [step for step in range(1, 5000) if factors[step] != factors[step - 1]] == [4500, 4800]
    assert [factors[step] for step in (0, 4500, 4800)] == pytest.approx([1, 0.1, 0.01])
    assert recipe.build_model().config == type(recipe.build_model().config)()


@pytest.mark.parametrize("steps", [1, 3, 10, 1001])
def test_stages_make_up_all_steps(steps):
    assert sum(stage.steps for stage in TacoRecipe("taco", steps=steps).stages()) == steps


def test_another_schedule_runs_over_all_steps():
    recipe = TacoRecipe("taco", schedule="cosine")
    (stage,) = recipe.stages()
    assert (stage.steps, recipe.rate_at(stage.steps, stage.steps)) == (recipe.steps, pytest.approx(0.01))


@pytest.mark.parametrize("width", [0, 20, -24])
def test_a_width_that_makes_no_slices_is_named(width):
    with pytest.raises(BadOption, match="width must be a multiple of 24"):
        TacoRecipe("taco", width=width)


def test_missing_captions_and_networks_are_named(data, networks, tmp_path, capsys):
    assert train(data, tmp_path / "a", captions=False) == 1
    assert "give a JSON file of them with --captions" in capsys.readouterr().err
    assert train(data, tmp_path / "b", "clip_path=missing.pt") == 1
    assert "cannot get CLIP ViT-B/32 from missing.pt" in capsys.readouterr().err
    assert train(data, tmp_path / "c", f"clip_path={networks['clip_path']}", "text_width=512") == 1
    assert f"text features 512 wide, this CLIP gives {TEXT_WIDTH}" in capsys.readouterr().err
