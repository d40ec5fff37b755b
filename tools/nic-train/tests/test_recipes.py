"""Recipes: found, set by file and command line, and all of them trained for three steps."""

import math

import pytest
from nic_core import cli
from nic_core.errors import BadOption, NicError, PluginFault
from nic_core.plugins import records
from nic_core.spec import RecipeSpec
from nic_train.recipes import Choice, choose, make_recipe, make_stages
from nic_train.request import Request
from nic_train.start.sources import keeps_symbols

SPECS = [spec for _, spec in records("nic_recipes")]
REQUESTS = [Request(spec.codec, Choice(spec.name), "") for spec in SPECS]
RECIPES = [
    (asked.codec, asked.choice.name) for asked in REQUESTS if not (asked.needs() or keeps_symbols(asked.recipe()))
]
"""Those that pixels are enough for. Plugins try their others themselves, with captions, labels and small networks.

What starts from weights is tried in test_symbols.py.
"""


@pytest.mark.long
@pytest.mark.parametrize(("codec", "recipe"), RECIPES)
def test_every_recipe_of_pixels_takes_three_steps(codec, recipe, pictures, tmp_path):
    run = tmp_path / "run"
    arguments = ["train", codec, "--recipe", recipe, "--data", pictures, "--val", pictures, "--out", run]
    small = ["--steps", 3, "--set", "crop=64", "--set", "batch=2", "--precision", "fp32", "--val-steps", 3]
    small += ["--set", "metric=mse"]  # MS-SSIM, some recipes' own, needs larger crops; see the next test
    assert cli.run([*map(str, arguments + small)]) == 0
    rows = (next(run.glob("metrics/**/metrics.csv"))).read_text().splitlines()
    names = rows[0].split(",")
    values = [dict(zip(names, row.split(","), strict=True)) for row in rows[1:]]
    seen = {name: [float(row[name]) for row in values if row[name]] for name in names}
    for name in ("loss", "bpp", "val_loss", "val_psnr", "val_coded_bpp", "val_estimated_bpp"):
        assert seen[name], name
    assert all(math.isfinite(value) for row in seen.values() for value in row)
    assert (run / "weights.safetensors").exists()


def test_ms_ssim_is_trained_for(pictures, tmp_path, make_pictures):
    data = make_pictures(tmp_path / "large", 2, (200, 200))
    arguments = ["train", "tbtc-conv-hyperprior", "--data", data, "--out", tmp_path / "run", "--steps", 1]
    small = ["--set", "crop=192", "--set", "batch=1", "--set", "size=S", "--set", "metric=ms-ssim"]
    assert cli.run([*map(str, arguments), *small]) == 0
    assert (tmp_path / "run" / "weights.safetensors").exists()


def test_a_file_changes_values_and_stages(tmp_path):
    file = tmp_path / "short.toml"
    file.write_text(
        'recipe = "tbtc-conv-charm"\nlmbda = 0.02\nbatch = 4\nsize = "S"\n'
        '[[stages]]\nname = "warm"\nsteps = 10\nlr = 1e-3\n'
        '[[stages]]\nname = "synthesis"\nsteps = 5\ntrainable = ["model.g_s"]\nlr = 1e-5\n'
    )
    choice = choose("tbtc-conv-charm", str(file))
    recipe = make_recipe("tbtc-conv-charm", choice)
    assert (recipe.lmbda, recipe.batch, recipe.size, recipe.crop) == (0.02, 4, "S", 256)
    warm, synthesis = make_stages(recipe, choice)
    assert (warm.name, warm.steps, recipe.at(warm).lr, warm.trainable) == ("warm", 10, 1e-3, ("",))
    assert (synthesis.trainable, recipe.at(synthesis).lr) == (("model.g_s",), 1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"speed": 3}, "no value 'speed'; it has lmbda"),
        ({"batch": "many"}, "batch must be of type int, not 'many'"),
        ({"batch": 2.5}, "batch must be of type int, not 2.5"),
        ({"lr": True}, "lr must be of type float, not True"),
        ({"metric": "ms-ssim", "crop": 128}, "crop and val_crop must be above 160"),
        ({"metric": "ssim"}, "metric must be mse | ms-ssim, not 'ssim'"),
    ],
)
def test_a_wrong_value_is_named(values, message):
    with pytest.raises(BadOption) as error:
        make_recipe("tbtc-conv-charm", Choice("tbtc-conv-charm", values))
    assert message in str(error.value)


def test_values_from_the_command_line_are_texts():
    recipe = make_recipe("mini", Choice("mini", {"lr": "1e-3", "batch": "4", "schedule": "linear"}))
    assert (recipe.lr, recipe.batch, recipe.schedule) == (1e-3, 4, "linear")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages = 3", "[[stages]]"),
        ("[[stages]]\nname='a'", "stage 1 says no steps"),
        ("[[stages]]\nsteps=3\nbatch=4", "stage 1 sets batch, which is the same for the whole run"),
        ("lr = ", "no TOML file"),
        ('recipe = "best"', "no recipe 'best'"),
    ],
)
def test_a_wrong_file_is_named(text, message, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(NicError) as error:
        choice = choose("mini", str(file))
        make_stages(make_recipe("mini", choice), choice)
    assert message in str(error.value)
    with pytest.raises(NicError, match="cannot read"):
        choose("mini", str(tmp_path / "missing.toml"))


def test_a_recipe_of_a_codec_that_is_not_installed():
    with pytest.raises(NicError, match="no installed package brings the codec 'best'"):
        choose("best", None)


def test_a_crop_that_the_model_cannot_halve_is_refused(pictures, tmp_path, capsys):
    run = ["train", "tbtc-conv-hyperprior", "--data", str(pictures), "--out", str(tmp_path / "run")]
    assert cli.run([*run, "--set", "size=S", "--set", "crop=72"]) == 1
    assert "crop must be a multiple of 64" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_cannot_be_made_is_its_plugins_fault(monkeypatch):
    spec = RecipeSpec("r", "mini", "nic_mini.recipe:Absent", "Not there.")
    monkeypatch.setattr("nic_train.recipes.recipe_spec", lambda codec, name: spec)
    with pytest.raises(PluginFault, match="the recipe r failed in its start: AttributeError"):
        make_recipe("mini", Choice("r"))
