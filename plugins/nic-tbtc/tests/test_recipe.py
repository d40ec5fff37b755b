"""The recipe: the paper's values, both forms of the loss, and sizes."""

import pytest
import torch
from nic_core.errors import BadOption
from nic_nn.training.batch import Batch
from nic_tbtc.recipe import TbtcRecipe

TINY = {"model": {"widths": (32,) * 4, "hyper_widths": (32,) * 2}}


def test_defaults_are_the_authors():
    recipe = TbtcRecipe("tbtc-swint-charm")
    assert (recipe.lr, recipe.aux_lr, recipe.clip, recipe.batch, recipe.crop) == (1e-4, 1e-4, 10, 8, 256)
    assert (recipe.schedule, recipe.steps, recipe.mirror, recipe.scale) == ("drop", 2_000_000, False, (1, 1))


def test_beta_weighs_the_bits_of_whole_crops():
    batch = Batch(torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(0)), torch.arange(2), ("a", "b"))
    recipe = TbtcRecipe("tbtc-conv-hyperprior", beta=0.02, **TINY)
    networks = recipe.build()
    networks.model.eval()
    with torch.no_grad():
        values = recipe.loss(networks, batch)
        x_hat = networks.model(batch.pixels)["x_hat"]
    wanted = 255**2 * (x_hat - batch.pixels).square().mean() + 0.02 * values["bpp"] * 64 * 128
    torch.testing.assert_close(values["loss"], wanted)
    assert recipe.tradeoff == pytest.approx(1 / (0.02 * 256**2))
    assert TbtcRecipe("tbtc-conv-hyperprior", lmbda=0.03).tradeoff == 0.03


def test_every_size_can_be_set():
    sizes = {"widths": (32, 32, 32, 64), "hyper_widths": (8, 12), "depths": (1, 2, 1, 1), "hyper_depths": (2, 1)}
    assert TbtcRecipe("tbtc-swint-charm", model=sizes).build_model().config.depths == (1, 2, 1, 1)
    for wrong, message in (
        ({"widths": (32, 32)}, "widths must be four"),
        ({"widths": (32, 32, 32, 48)}, "multiple of 32"),
        ({"hyper_widths": (6, 8)}, "multiples of 4"),
        ({"depths": (1,)}, "depths must be four"),
        ({"transform": "conv"}, "the model has no size 'transform'; it has widths"),
    ):
        with pytest.raises(BadOption, match=message):
            TbtcRecipe("tbtc-swint-charm", model=wrong)
