"""The recipe: the paper's stages, and what is exported."""

import pytest
from nic_cca.recipe import CcaRecipe
from nic_core import cli
from nic_core.errors import BadOption
from nic_core.weights import read_info
from nic_train.recipes import Choice, make_recipe
from safetensors import safe_open


@pytest.mark.parametrize(("beta", "start"), [(0.3, 0.3), (0.85, 0.3), (3.5, 0.3), (7, 2), (15, 2)])
def test_stages_are_the_papers(beta, start):
    recipe = CcaRecipe("cca", beta=beta, steps=65_000)
    context, target = recipe.stages()
    assert (context.steps, target.steps) == (56_000, 9_000)
    assert (recipe.at(context).beta, recipe.at(context).lr, recipe.at(context).aux_lr) == (start, 1e-4, 1e-3)
    assert (recipe.at(target).beta, recipe.at(target).lr, recipe.at(target).aux_lr) == (beta, pytest.approx(1e-5), 1e-3)
    assert (recipe.clip, recipe.batch, recipe.crop) == (1.0, 8, 256)


@pytest.mark.parametrize("values", [{"width": 24}, {"width": 0}, {"depth": 0}, {"beta": 0.0}, {"alpha": -1.0}])
def test_values_that_cannot_be_are_refused(values):
    with pytest.raises(BadOption, match=next(iter(values))):
        CcaRecipe("cca", **values)


@pytest.mark.parametrize("alpha", [1, 0])
@pytest.mark.parametrize("metric", ["mse", "ms-ssim"])
def test_the_auxiliary_model_is_trained_but_never_exported(alpha, metric, tmp_path, photographs):
    run = tmp_path / "run"
    values = {"width": 16, "depth": 1, "batch": 1, "crop": 192, "alpha": alpha, "beta": 3.5, "metric": metric}
    settings = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    arguments = ["train", "cca", "--data", photographs, "--out", run, "--steps", 3, "--precision", "fp32", *settings]
    assert cli.run([*map(str, arguments)]) == 0
    path = run / "weights.safetensors"
    with safe_open(path, "pt") as file:
        names = list(file.keys())
    assert any(name.startswith("integers.predictors.4.residual") for name in names)
    assert not any("auxiliary" in name for name in names)
    assert read_info(path).lmbda == pytest.approx(0.05 / (3.5 + alpha))
    assert read_info(path).config["slices"] == [1, 2, 4, 7, 12]
    photograph = next(photographs.iterdir())
    assert cli.run(["encode", str(photograph), "--codec", "cca", "--weights", str(path), "-o", str(run / "a.nic")]) == 0
    assert cli.run(["decode", str(run / "a.nic"), "--weights", str(path), "-o", str(run / "a.png")]) == 0


def test_every_size_can_be_set():
    recipe = make_recipe(
        "cca", Choice("cca", {"width": 16, "depth": 1, "model.blocks": "2,0,1", "model.slices": [4, 9]})
    )
    model = recipe.build().model
    assert (model.config.blocks, model.config.slices, model.config.bottlenecks) == ((2, 0, 1), (4, 9), 1)
    sizes = {"model.widths": "8,10,12", "model.hyper": 6, "model.context": 8, "model.reduction": "8,4"}
    sizes |= {"model.bottlenecks": 2, "model.context_blocks": 0}
    recipe = make_recipe("cca", Choice("cca", {"width": 16, **sizes}))
    assert (recipe.config.widths, recipe.config.reduction, recipe.config.context_blocks) == ((8, 10, 12), (8, 4), 0)
    recipe.build()
    assert CcaRecipe("cca", slice_power=1).config.slices == (21, 42, 64, 85, 108)
    assert CcaRecipe("cca").config.slices == (8, 28, 56, 92, 136)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model.widths": "8,1,8"}, "widths must be above 1"),
        ({"model.slices": ""}, "slices must be of type int"),
        ({"model.slices": "8"}, "there must be two"),
        ({"model.depth": 3}, "no value 'model.depth'"),
        ({"model.hyper": 10**9}, "model.hyper must be 0 to 16384"),
        ({"model.slices": ",".join(["1"] * 100)}, "or up to 64 such"),
    ],
)
def test_sizes_that_make_no_model_are_named(values, message):
    with pytest.raises(BadOption) as error:
        make_recipe("cca", Choice("cca", values))
    assert message in str(error.value)
