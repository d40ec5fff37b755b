"""The model: the authors' numbers, its size, and coding."""

import math
from pathlib import Path

import pytest
import torch
from nic_core.errors import BadWeights
from nic_nn.testing import assert_reference, checkpoint, picture
from nic_textsketch.config import SketchConfig
from nic_textsketch.sketches.importer import import_checkpoint
from nic_textsketch.sketches.model import SketchModel, to_gray
from nic_textsketch.sketches.recipe import SketchRecipe

GOLDEN = Path(__file__).parent / "golden"
SEED = 3


@pytest.fixture(scope="module")
def authors(tmp_path_factory):
    """The model of the reference checkpoint."""
    path = tmp_path_factory.mktemp("golden") / "authors.pt"
    torch.save(checkpoint(GOLDEN / "textsketch-ntc.manifest.json", SEED), path)
    return import_checkpoint.load(path)


def small(width=16):
    """Return a model whose symbols are not all zero."""
    torch.manual_seed(0)
    model = SketchModel(SketchConfig(width)).eval().requires_grad_(False)
    model.g_a[7].weight.mul_(30)
    model.raster.predict[-1].bias[:width] = 8  # scales, as large as y
    model.freeze_tables()
    return model


@torch.inference_mode()
def test_numbers_of_the_authors_code(authors):
    assert_reference(authors, authors.g_a(picture(64, 64, SEED)[:, :1]), GOLDEN / "textsketch-ntc")


def test_parameters(authors):
    assert sum(parameter.numel() for parameter in authors.parameters()) == 29_614_116


def test_a_checkpoint_of_something_else_is_named(tmp_path):
    torch.save({"g_a.7.weight": torch.zeros(8, 8, 3, 3)}, tmp_path / "odd.pt")
    with pytest.raises(BadWeights, match=r"odd.pt is no checkpoint of textsketch-ntc: \d+ missing"):
        import_checkpoint.load(tmp_path / "odd.pt")


@pytest.mark.parametrize("size", [(64, 64), (64, 192), (128, 64)])
@torch.inference_mode()
def test_what_is_coded_is_decoded(size):
    model = small()
    x = torch.cat([picture(*size)[:, :1], 1 - picture(*size)[:, :1]])
    compressed = model.compress(x)
    y_hat = model.decode(compressed)
    assert (y_hat - model.g_a(x)).abs().max() <= 0.5 + 2**-11
    assert y_hat.abs().max() > 1
    assert model(x)["x_hat"].shape == model.decompress(compressed)["x_hat"].shape == (2, 1, *size)
    # What each stream should take: y_hat under the parameters that a single pass over it gives.
    latents = model.estimate(model.g_a(x))
    params = next(model.context(latents.hyper)).whole(y_hat)
    nats = model.gaussian.log_likelihood(y_hat - params.mean, params.scale).flatten(1).sum(1)
    nats = nats + latents.log_likelihoods["z"].flatten(1).sum(1)
    for stream, bits in zip(compressed.streams, -nats / math.log(2), strict=True):
        assert abs(8 * len(stream) - bits) < 0.03 * bits + 96


@torch.inference_mode()
def test_colour_is_made_gray():
    model, x = small(), picture(64, 64)
    gray = to_gray(x)
    assert gray.shape == (1, 1, 64, 64)
    torch.testing.assert_close(gray[0, 0], 0.299 * x[0, 0] + 0.587 * x[0, 1] + 0.114 * x[0, 2])
    torch.testing.assert_close(model.g_a(x), model.g_a(gray))


@pytest.mark.parametrize("width", [0, -2, 7])
def test_widths_that_cannot_be(width):
    with pytest.raises(ValueError, match="even number above 0"):
        SketchConfig(width)


def test_the_recipe_is_the_authors():
    recipe = SketchRecipe("textsketch-ntc")
    assert (recipe.metric, recipe.lmbda, recipe.batch, recipe.crop) == ("ms-ssim", 0.5, 4, 256)
    assert (recipe.lr, recipe.aux_lr, recipe.clip) == (1e-4, 1e-3, 1.0)
    assert recipe.build_model().config.width == 192
