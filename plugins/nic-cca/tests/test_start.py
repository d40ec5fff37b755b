"""The first stage shared between models, and the authors' checkpoints with all that their training keeps."""

import pytest
import torch
from nic_cca.importer import published_auxiliary_name, published_name
from nic_cca.recipe import CcaRecipe
from nic_core import cli
from nic_core.errors import BadWeights

SMALL = {"width": 16, "depth": 1}


def train(*arguments):
    return cli.run(["train", *map(str, arguments)])


def state_of(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def test_models_share_the_first_stage_with_the_auxiliary_model(photographs, tmp_path, capsys):
    """A model from the 11th of 13 steps of another is the one that would have been trained on its own, bit for bit."""
    values = {**SMALL, "batch": 1, "crop": 64}
    settings = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    common = ["cca", "--data", photographs, "--steps", 13, "--precision", "fp32", "--workers", 0, *settings]
    first, alone, shared = (tmp_path / name for name in ("first", "alone", "shared"))
    assert train(*common, "--out", first, "--keep-steps", 11) == 0
    assert train(*common, "--out", alone, "--set", "beta=3.5") == 0
    assert train("cca", "--from", first, "--step", 11, "--set", "beta=3.5", "--out", shared) == 0
    assert "were trained with" not in capsys.readouterr().err
    ours, theirs = state_of(shared), state_of(alone)
    assert any(name.startswith("parts.auxiliary.") for name in theirs["state_dict"])
    for name, value in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][name], value), name
    assert any(
        not torch.equal(value, state_of(first)["state_dict"][name]) for name, value in theirs["state_dict"].items()
    )
    assert train("cca", "--from", first, "--step", 11, "--set", "beta=7", "--out", tmp_path / "seven") == 0
    assert "the 11 steps of first were trained with beta 0.3, not 2.0" in capsys.readouterr().err


def authors_checkpoint(recipe, path):
    """Write what the authors' training would save after two steps; return the networks and what Adam keeps of them."""
    networks = recipe.build()
    names = {published_name(name): f"model.{name}" for name, _ in networks.model.named_parameters()}
    names |= {published_auxiliary_name(name): f"auxiliary.{name}" for name, _ in networks.auxiliary.named_parameters()}
    parameters = {
        f"{part}.{name}": value for part in ("model", "auxiliary") for name, value in
        networks.parts()[part].named_parameters()
    }  # fmt: skip
    content = {"epoch": 55, "loss": 1.0, "state_dict": {
        f"module.{theirs}": parameters[ours].detach().clone() for theirs, ours in names.items()
    }}  # fmt: skip
    kept = {}
    for key, of_quantiles in (("optimizer", False), ("aux_optimizer", True)):
        order = [names[theirs] for theirs in sorted(names) if theirs.endswith("quantiles") is of_quantiles]
        adam = torch.optim.Adam([parameters[name] for name in order], lr=1e-4)
        for _ in range(2):
            for number, name in enumerate(order):
                parameters[name].grad = torch.full_like(parameters[name], number + 1.0)
            adam.step()
        content[key] = adam.state_dict()
        kept |= {name: adam.state[parameters[name]] for name in order}
    scheduler = torch.optim.lr_scheduler.MultiStepLR(adam, [56])
    content["lr_scheduler"] = scheduler.state_dict()
    for theirs, ours in names.items():
        content["state_dict"][f"module.{theirs}"] = parameters[ours].detach().clone()
    torch.save(content, path)
    return networks, kept


def test_an_authors_checkpoint_gives_both_networks_and_both_optimizers(photographs, tmp_path, capsys, monkeypatch):
    recipe, path = CcaRecipe("cca", **SMALL), tmp_path / "55_checkpoint.pth.tar"
    networks, kept = authors_checkpoint(recipe, path)
    start = recipe.published(path)
    for part, network in networks.parts().items():
        assert all(torch.equal(start.parts[part][name], value) for name, value in network.state_dict().items())
    assert start.moments.keys() == kept.keys()
    for name, values in kept.items():
        assert torch.equal(start.moments[name].values["exp_avg"], values["exp_avg"]), name

    begun = []
    monkeypatch.setattr("nic_train.run._fit", lambda request, out, trainer, loop, *more: begun.append(loop))
    settings = [part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")]
    common = ["cca", "--data", photographs, "--set", "crop=64", "--workers", 0, *settings, "--init", path]
    assert train(*common, "--out", tmp_path / "run") == 0
    assert "starting from 55_checkpoint.pth.tar: its model and auxiliary with optimizers" in capsys.readouterr().err
    (loop,) = begun
    optimizers = loop.configure_optimizers()
    parameters = dict(loop.networks.auxiliary.named_parameters())
    for name, parameter in parameters.items():
        state = optimizers[1 if name.endswith("quantiles") else 0].state[parameter]
        assert torch.equal(state["exp_avg_sq"], kept[f"auxiliary.{name}"]["exp_avg_sq"]), name
        assert float(state["step"]) == 2

    assert train(*common, "--out", tmp_path / "without", "--set", "alpha=0") == 0
    assert begun[1].networks.auxiliary is None
    assert "its model with optimizers" in capsys.readouterr().err


def test_an_optimizer_over_other_parameters_is_refused(tmp_path):
    recipe, path = CcaRecipe("cca", **SMALL), tmp_path / "checkpoint.pth.tar"
    authors_checkpoint(recipe, path)
    content = torch.load(path, weights_only=True)
    content["optimizer"]["param_groups"][0]["params"].pop()
    torch.save(content, path)
    with pytest.raises(BadWeights, match="its optimizer is no Adam over the checkpoint's parameters"):
        recipe.published(path)


def test_an_authors_checkpoint_of_weights_alone(tmp_path):
    recipe, path = CcaRecipe("cca", **SMALL), tmp_path / "checkpoint.pth.tar"
    authors_checkpoint(recipe, path)
    content = torch.load(path, weights_only=True)
    model_alone = {name: value for name, value in content["state_dict"].items() if "aux_entropymodel" not in name}
    torch.save({"state_dict": model_alone}, path)
    start = recipe.published(path)
    assert set(start.parts) == {"model"} and not start.moments


@pytest.mark.parametrize(
    ("values", "stages"),
    [
        ({}, [("context", 56, 1e-4, 0.3), ("target", 9, 1e-5, 3.5)]),
        ({"milestones": (40, 60)}, [("context", 40, 1e-4, 0.3), ("target", 20, 1e-5, 3.5), ("target 2", 5, 1e-6, 3.5)]),
        ({"milestones": ()}, [("target", 65, 1e-4, 3.5)]),
        ({"schedule": "linear"}, [("context", 56, 1e-4, 0.3), ("target", 9, 1e-5, 3.5)]),
    ],
)
def test_stages_begin_at_milestones(values, stages):
    recipe = CcaRecipe("cca", steps=65, beta=3.5, **values)
    found = [(stage.name, stage.steps, recipe.at(stage).lr, recipe.at(stage).beta) for stage in recipe.stages()]
    assert [stage[:2] for stage in found] == [stage[:2] for stage in stages]
    assert [stage[2:] for stage in found] == [pytest.approx(stage[2:]) for stage in stages]
    for stage in recipe.stages():
        constant = recipe.at(stage).rate_at(stage.steps - 1, stage.steps) == 1.0
        assert constant is (values.get("schedule") != "linear")
