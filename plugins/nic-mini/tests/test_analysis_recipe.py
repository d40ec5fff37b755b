"""The analysis trained alone: its loss, what learns, and that files stay what they are."""

import dataclasses
from pathlib import Path

import nic_core as nic
import numpy as np
import torch
from nic_core import weights
from nic_core.cli import run
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_mini.analysis_recipe import MiniAnalysis
from nic_mini.config import MiniConfig
from nic_mini.model import Mini
from nic_nn.training.batch import Batch
from skimage import data

TINY = {
    "widths": (4, 6, 8),
    "blocks": (1, 1, 1),
    "slices": (2, 2, 4),
    "hyper": 4,
    "features": 6,
    "context": 6,
    "levels": 3,
}
OPTIONS = [f"--set={key}={','.join(map(str, np.atleast_1d(value)))}" for key, value in TINY.items()]


def test_g_a_and_h_a_alone_learn() -> None:
    sizes = {field.name: getattr(MiniConfig(**TINY), field.name) for field in dataclasses.fields(MiniConfig)}
    recipe = MiniAnalysis(codec="mini", **{**sizes, "crop": 64, "optimizer": "adam"})
    networks = recipe.build()
    (stage,) = recipe.stages()
    for name, parameter in networks.model.named_parameters():
        parameter.requires_grad_(f"model.{name}".startswith(stage.trainable))
    batch = Batch(torch.rand(2, 3, 64, 64), torch.arange(2), ("a", "b"))
    recipe.loss(networks, batch)["loss"].backward()
    learned = {name.split(".")[0] for name, p in networks.model.named_parameters() if p.grad is not None}
    assert learned == {"g_a", "h_a"}


def test_the_loss_is_the_true_cost_where_it_is_measured() -> None:
    recipe, model = MiniAnalysis(codec="mini", **{**TINY, "crop": 64}), Mini(MiniConfig(**TINY))
    networks = recipe.build()
    networks.model.load_state_dict(model.state_dict())
    networks.model.eval()
    batch = Batch(torch.rand(1, 3, 64, 64), torch.arange(1), ("a",))
    with torch.no_grad():
        measured = recipe.loss(networks, batch)
        quality = recipe.qualities(batch)
        output = networks.model(batch.pixels, quality)
    error = (output["x_hat"].clamp(0, 1) - batch.pixels).square().mean()
    bpp, lmbda = sum(output["bits"].values())[0] / 64**2, networks.model.lambda_of(quality)[0]
    weight = (sum(networks.model.config.lambdas) / 2 / lmbda).sqrt()
    torch.testing.assert_close(measured["loss"], weight * (lmbda * 255**2 * error + bpp))
    torch.testing.assert_close(measured["bpp"], bpp)


def test_files_stay_what_they_are(tmp_path: Path, monkeypatch) -> None:
    """Weights after some steps have the fingerprints of those before, decode their files, and encode others."""
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    for number, place in enumerate((0, 150, 300)):
        image_files.write(Picture(data.coffee()[place : place + 96, :128].copy()), Path(f"pictures/{number}.png"))
    common = ["--data=pictures", "--workers=0", "--set=batch=2", "--set=crop=64"]
    assert run(["train", "mini", *common, "--out=first", "--steps=2", "--set=optimizer=adam", *OPTIONS]) == 0
    more = ["--init=first/weights.safetensors", "--out=second", "--steps=2", "--set=optimizer=adam", "--set=lr=0.01"]
    assert run(["train", "mini-analysis", *common, *more]) == 0
    assert not Path("second/weights.decoder.safetensors").exists()
    before, after = (Path(name, "weights.safetensors") for name in ("first", "second"))
    records = [weights.read_info(path) for path in (before, after)]
    assert records[0].entropy_id == records[1].entropy_id
    assert records[0].synthesis_id == records[1].synthesis_id
    picture = data.coffee()[:96, :128]
    old, new = (nic.load("mini", path) for path in (before, after))
    assert np.array_equal(old.decode(old.encode(picture)), new.decode(old.encode(picture)))
    assert np.array_equal(old.decode(new.encode(picture)), new.decode(new.encode(picture)))
    state = [nic.load("mini", path, runtime="torch").model.g_a[0].weight for path in (before, after)]
    assert not torch.equal(*state)
