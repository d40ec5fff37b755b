"""The loop: stages, an adversary, accumulation, averages, and a loss that is no number."""

from dataclasses import dataclass, replace

import lightning
import pytest
import torch
from nic_mini.config import MiniConfig
from nic_mini.model import Mini
from nic_mini.recipe import MiniRecipe
from nic_nn.training.batch import Batch
from nic_nn.training.contract import Stage
from nic_nn.training.networks import Networks, Optimizers
from nic_train.loop import Diverged, Loop
from torch import nn
from torch.utils.data import DataLoader

TINY = MiniConfig((8, 8, 8), (1, 1, 1), (4, 4), 8, 8, 8)


@dataclass(frozen=True)
class Tiny(MiniRecipe):
    """A small model, and a discriminator that tells pictures from their reconstructions."""

    crop: int = 64
    batch: int = 4
    warmup: int = 0
    schedule: str = "constant"
    adversary_lr: float = 1e-3
    optimizer: str = "adam"

    def build_model(self):
        return Mini(TINY)

    def build(self):
        return Networks(self.build_model(), adversary=nn.Conv2d(3, 1, 4, 4))

    def optimizers(self, networks):
        found = super().optimizers(networks)
        group = {"params": networks.parameters("adversary"), "rate": "adversary_lr"}
        return Optimizers(found.main, found.quantiles, torch.optim.Adam([group]))

    def loss(self, networks, batch):
        values = super().loss(networks, batch)
        fooled = networks.adversary(networks.model(batch.pixels)["x_hat"]).mean()
        return {**values, "loss": values["loss"] + 0.1 * fooled}

    def adversary_loss(self, networks, batch):
        with torch.no_grad():
            fake = networks.model(batch.pixels)["x_hat"]
        return {"adversary_loss": (networks.adversary(batch.pixels) - networks.adversary(fake)).mean()}


def batches(count, size=4):
    generator = torch.Generator().manual_seed(0)
    for step in range(count):
        pixels = torch.randint(0, 256, (size, 3, 64, 64), generator=generator, dtype=torch.uint8)
        yield Batch(pixels, torch.arange(step * size, (step + 1) * size), tuple(f"{step}-{i}.png" for i in range(size)))


def run(loop):
    trainer = lightning.Trainer(accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False,
                                enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
    trainer.fit(loop, DataLoader(list(batches(loop.steps)), batch_size=None))
    return loop


def made(recipe, *stages, **settings):
    torch.manual_seed(0)
    return Loop(recipe, stages or (Stage("all", 3),), **settings)


def changed(before, after):
    """Return the modules, two names deep, whose parameters changed."""
    return {".".join(n.split(".")[1:3]) for n, v in after.items() if n.startswith("parts.") and not v.equal(before[n])}


def copy_of(loop):
    return {name: value.clone() for name, value in loop.state_dict().items()}


def test_a_stage_says_what_learns():
    loop = made(Tiny("mini"), Stage("synthesis", 2, trainable=("model.g_s", "model.gains")))
    before = copy_of(loop)
    assert changed(before, run(loop).state_dict()) == {"model.g_s", "model.gains"}
    loop = made(Tiny("mini"), Stage("discriminate", 2, trainable=("adversary",)))
    before = copy_of(loop)
    assert changed(before, run(loop).state_dict()) == {"adversary.weight"}  # its bias cancels out of its loss
    assert set(loop.shown) == {"adversary_loss"}


def test_stages_follow_each_other_with_their_own_values():
    loop = made(Tiny("mini"), Stage("one", 2, {"lr": 1e-3}, ("model",)), Stage("two", 1, {"lr": 1e-5}))
    assert [loop.stage_at(step)[0].name for step in range(3)] == ["one", "one", "two"]
    before = copy_of(loop)
    run(loop)
    assert {"adversary.weight", "model.g_a"} <= changed(before, loop.state_dict())
    assert {"loss", "bpp", "psnr", "adversary_loss"} <= set(loop.shown)
    assert loop.optimizers()[0].param_groups[0]["lr"] == 1e-5


def test_accumulated_pieces_make_the_same_step():
    whole, pieces = run(made(Tiny("mini"))), run(made(Tiny("mini"), accumulate=2))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(value, pieces.state_dict()[name], atol=2e-5, rtol=0)


def test_the_average_follows_the_parameters():
    loop = made(replace(Tiny("mini"), ema=0.5))
    run(loop)
    model, average = loop.networks.model.g_a[0].weight, loop.validated.model.g_a[0].weight
    assert not torch.equal(model, average)
    torch.testing.assert_close(model, average, atol=2e-3, rtol=0)


def test_a_loss_that_is_no_number_stops_before_the_step():
    loop = made(replace(Tiny("mini"), lr=1e8, clip=1e8))
    with pytest.raises(Diverged, match=r"the loss became .* at step [12], in a batch of .*\.png"):
        run(loop)
    loop = made(replace(Tiny("mini"), lmbda=1.0))
    loop.networks.model.g_s[0].weight.data[0] = float("nan")
    before = copy_of(loop)
    with pytest.raises(Diverged, match=r"at step 0, in a batch of 0-0\.png, 0-1\.png"):
        run(loop)
    for name, value in loop.networks.model.g_a.state_dict().items():
        assert torch.equal(value, before[f"parts.model.g_a.{name}"])


def test_no_clipping_leaves_gradients_as_they_are():
    """clip=0; a norm that must stay below zero would make all of them zero."""
    loop = made(replace(Tiny("mini"), clip=0.0), Stage("all", 1))
    before = copy_of(loop)
    unclipped = run(loop).parts["model"].g_a[0].weight.grad
    assert changed(before, loop.state_dict()) > {"model.g_a", "adversary.weight"}
    clipped = run(made(replace(Tiny("mini"), clip=1e-3), Stage("all", 1))).parts["model"].g_a[0].weight.grad
    large = run(made(replace(Tiny("mini"), clip=1e9), Stage("all", 1))).parts["model"].g_a[0].weight.grad
    assert torch.equal(unclipped, large) and not torch.equal(unclipped, clipped)
    assert unclipped.norm() > 1e-3 > clipped.norm() > 0


def test_schedules_leave_the_quantiles_rate():
    for schedule in ("drop", "linear"):
        loop = run(made(replace(Tiny("mini"), schedule=schedule, warmup=2), Stage("all", 10)))
        main, quantiles, adversary = (optimizer.param_groups[0]["lr"] for optimizer in loop.optimizers())
        assert quantiles == loop.recipe.aux_lr
        assert main < loop.recipe.lr and adversary < loop.recipe.adversary_lr
