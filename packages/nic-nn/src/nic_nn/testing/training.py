"""A model learns, its run can be stopped, and what it has learned codes pictures."""

import csv
import dataclasses
import math
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_core import cli, plugins
from nic_core.pictures import image_files
from nic_core.spec import RecipeSpec, resolve
from nic_core.testing.pictures import smooth
from nic_core.testing.subject import Subject
from nic_core.weights import read_info

from nic_nn.model import LatentModel
from nic_nn.training.batch import Batch
from nic_nn.training.contract import Recipe

STEPS = 3
SIDE = 128
"""Of the pictures to train on: crops and held-out pictures must fit."""


class Training(Subject, kit=True):
    """See the module.

    recipe: name of the recipe, by default the codec's first. values: of the recipe, that make its model small.
    crop, batch: of training.
    """

    recipe: ClassVar[str] = ""
    values: ClassVar[dict[str, Any]] = {}
    crop: ClassVar[int] = 64
    batch: ClassVar[int] = 2

    @classmethod
    def recipe_values(cls, folder: Path) -> dict[str, Any]:
        """Return values of the recipe; here `values`. folder: where files can be made that they need."""
        return cls.values

    @classmethod
    def training_data(cls, folder: Path) -> list[str]:
        """Return more arguments of `nic train`, such as "--captions" and a file, of pictures 0.png to 2.png."""
        return []

    @classmethod
    def recipe_of(cls, folder: Path) -> Recipe:
        """Return the recipe with all values."""
        spec = cls.recipe_spec()
        values = {
            **spec.values,
            "crop": cls.crop,
            "val_crop": cls.crop,
            "batch": cls.batch,
            **cls.recipe_values(folder),
        }
        target = resolve(spec.target)
        if "metric" in {field.name for field in dataclasses.fields(target)}:
            values.setdefault("metric", "mse")  # MS-SSIM needs larger crops
        return target(codec=cls.codec_id, **values)

    @classmethod
    def recipe_spec(cls) -> RecipeSpec:
        """Return the recipe's record."""
        for _, spec in plugins.records("nic_recipes"):
            if spec.codec == cls.codec_id and cls.recipe in ("", spec.name):
                return spec
        pytest.fail(f"no recipe {cls.recipe} of {cls.codec_id}: yield a RecipeSpec from the hook nic_recipes")

    @classmethod
    def fresh_model(cls, folder: Path) -> LatentModel:
        """Return the model that the recipe exports, before any step."""
        recipe = cls.recipe_of(folder)
        *_, last = recipe.stages()
        return recipe.at(last).exported(recipe.build()).eval()

    def test_steps_lower_the_loss(self, folder: Path) -> None:
        """On one batch, whose noise is always the same; and every parameter of the model learns."""
        torch.manual_seed(0)
        recipe = self.recipe_of(folder)
        networks, stages = recipe.build(), recipe.stages()
        optimizers, recipe = recipe.optimizers(networks), recipe.at(stages[0])
        recipe.begin(networks)
        batch, losses = batch_for(recipe), []
        for _ in range(STEPS + 1):
            networks.model.noise = batch.random("rounding").rounding_noise
            loss = recipe.loss(networks, batch)["loss"]
            losses.append(loss.item())
            optimizers.main.zero_grad()
            (loss + networks.quantile_loss()).backward()
            assert math.isfinite(losses[-1]), f"the loss is {losses}"
            optimizers.main.step()
        silent = [name for name, parameter in networks.model.named_parameters() if parameter.grad is None]
        later = {name for other in stages[1:] for name in other.trainable} - {"", "model"}
        silent = [name for name in silent if not f"model.{name}".startswith(tuple(later))]
        assert not silent, f"nothing that the loss depends on uses {', '.join(silent)}: take them out of the model"
        learning = [(name, p.grad) for name, p in networks.model.named_parameters() if p.grad is not None]
        wild = [name for name, gradient in learning if not gradient.isfinite().all()]
        assert not wild, f"the gradients of {', '.join(wild)} are not finite"
        assert losses[-1] < losses[0], f"{STEPS} steps on one batch do not lower its loss: {losses}"

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, folder: Path) -> Iterator[Path]:
        """A run of three steps by `nic train`, with a checkpoint of each."""
        if not find_spec("nic_train"):
            pytest.skip("nic-train is not installed: pip install nic-train")
        data, run = folder / "pictures", folder / "run"
        data.mkdir()
        side = max(SIDE, cls.crop)
        for number in range(3):
            image_files.write(smooth(side + number, side), data / f"{number}.png")
        recipe: Any = cls.recipe_of(folder)
        given = {**cls.recipe_values(folder), "crop": cls.crop, "val_crop": cls.crop, "batch": cls.batch}
        if hasattr(recipe, "metric"):
            given["metric"] = recipe.metric
        settings = [part for name, value in given.items() for part in ("--set", f"{name}={_as_text(value)}")]
        arguments = ["train", cls.codec_id, "--recipe", cls.recipe_spec().name, "--data", data, "--val", data]
        arguments += ["--out", run, "--steps", STEPS, "--keep-steps", 1, "--val-steps", STEPS, "--log-every", 1]
        arguments += ["--workers", 0, "--precision", "fp32", *settings, *cls.training_data(folder)]
        try:
            nic_train(*arguments)
            yield run
        finally:
            torch.set_flush_denormal(False)  # which training sets, and what is coded may depend on

    def test_a_run_measures_itself(self, trained: Path) -> None:
        """Losses, rates and distortions are numbers, in training and on held-out pictures, estimated and coded."""
        rows = list(csv.DictReader(next(trained.glob("metrics/**/metrics.csv")).open()))
        beside = {"val_estimated_bpp", "val_coded_psnr"} & rows[0].keys()
        assert beside, "the run has no val_estimated_bpp, nor val_coded_psnr, which takes its place with val_whole"
        for name in ("loss", "bpp", "psnr", "val_loss", "val_coded_bpp", *beside):
            seen = [float(row[name]) for row in rows if row.get(name)]
            assert seen, f"the run has no {name}: the recipe's loss returns 'loss', 'bpp' and 'psnr'"
            assert all(map(math.isfinite, seen)), f"{name} is {seen}"

    def test_a_stopped_run_goes_on_to_the_same_weights(self, trained: Path, folder: Path) -> None:
        """Bit for bit: a step depends on the weights, its number and its batch, and on nothing else."""
        stopped = folder / "stopped"
        shutil.copytree(trained, stopped)
        (stopped / "weights.safetensors").unlink()
        shutil.copyfile(stopped / "checkpoints" / "step-1.ckpt", stopped / "checkpoints" / "last.ckpt")
        nic_train("train", "--resume", stopped)
        ours, theirs = (
            torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (trained, stopped)
        )
        other = [name for name, value in ours.items() if not torch.equal(value, theirs[name])]
        assert not other, (
            f"a run that was stopped after a step ends with another {other[0]}: draw random numbers by "
            "batch.random('purpose') or torch's global generator, and keep no state outside of the networks"
        )

    def test_trained_weights_code(self, trained: Path) -> None:
        """What `nic train` exports is opened by its path, and says where it comes from."""
        path = trained / "weights.safetensors"
        info = read_info(path)
        assert info.codec == self.codec_id and str(STEPS) in info.provenance["summary"]
        with nic.load(self.codec_id, path, device="cpu") as codec:
            picture = self.picture(70, 90)
            back = self.decode(codec, self.encode(codec, picture))
        assert back.pixels.shape == picture.pixels.shape


def nic_train(*arguments: Any) -> None:
    """Run `nic train`, which must end well; what it prints is shown where a test fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIC_GRAPHS", "0")  # which take some seconds
        assert cli.run([*map(str, arguments)]) == 0, f"failed: nic {' '.join(map(str, arguments))}"


def batch_for(recipe: Recipe) -> Batch:
    """Return a batch with what a recipe needs: pictures, captions, label maps."""
    side, count = recipe.crop, recipe.batch
    pixels = np.stack([smooth(side, side + number, 3).pixels[:, :side] for number in range(count)])
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    text = tuple(f"picture {number}" for number in range(count)) if "text" in recipe.needs else None
    labels = torch.zeros(count, side, side, dtype=torch.int64) if "labels" in recipe.needs else None
    return Batch(x, torch.arange(count), tuple(map(str, range(count))), text, labels).as_float()


def _as_text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
