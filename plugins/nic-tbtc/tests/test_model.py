"""The twelve models: the authors' numbers, sizes and costs, and coding that gives back what was estimated."""

import pytest
import torch
from nic_nn.testing import assert_codes_what_it_estimates, assert_reference, picture
from nic_tbtc.config import TbtcConfig
from nic_tbtc.importer import importer
from nic_tbtc.model import Tbtc
from nic_tbtc.recipe import TbtcRecipe
from operations import gmacs
from tbtc_reference import CODECS, GOLDEN, checkpoint, reference_picture

PARAMETERS = dict(zip(CODECS, (21_385_155, 29_078_031, 24_645_008, 32_337_884), strict=True))
GMACS = dict(zip(CODECS, ((101.6, 101.3), (113.4, 113.1), (105.3, 104.3), (117.1, 116.1)), strict=True))
"""Encoding and decoding of 768 x 512; the last convolution counts 36 products where a transposed kernel has 25."""


@pytest.fixture(scope="module", params=CODECS)
def reference(request, tmp_path_factory):
    """A codec's id with the model that its reference checkpoint holds."""
    path = tmp_path_factory.mktemp("golden") / "authors.ckpt"
    torch.save({"epoch": 0, "state_dict": checkpoint(request.param)}, path)
    return request.param, importer(request.param).load(path)


@torch.inference_mode()
def test_numbers_of_the_public_implementation(reference):
    codec, model = reference
    assert_reference(model, model.g_a(reference_picture(codec)), GOLDEN / codec)


@pytest.mark.parametrize("size", [(64, 64), (64, 192), (192, 128)])
@torch.inference_mode()
def test_reference_weights_code_what_they_estimate(reference, size):
    _, model = reference
    model.freeze_tables()
    assert_codes_what_it_estimates(model, model.g_a(picture(*size)))


@pytest.mark.parametrize("size", ["S", "M", "L"])
@pytest.mark.parametrize("codec", CODECS)
@torch.inference_mode()
def test_all_sizes_code_what_they_estimate(codec, size):
    torch.manual_seed(0)
    model = Tbtc(TbtcConfig.of(codec, size)).eval()
    for transform in (model.g_a, model.h_a):  # fresh weights shrink everything to zero symbols
        first = next(transform.parameters())
        first.mul_(30)
    model.freeze_tables()
    assert assert_codes_what_it_estimates(model, model.g_a(torch.rand(2, 3, 64, 128))).abs().max() > 0


@pytest.mark.parametrize("codec", CODECS)
def test_parameters_and_operations(codec):
    model = Tbtc(TbtcConfig.of(codec, "M")).eval().to("meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[codec]
    assert gmacs(model) == pytest.approx(GMACS[codec], rel=0.01)


def test_recipe_is_the_papers():
    recipe = TbtcRecipe("tbtc-swint-charm", size="S")
    assert (recipe.steps, recipe.batch, recipe.crop, recipe.lr, recipe.schedule) == (2_000_000, 8, 256, 1e-4, "drop")
    assert recipe.build().model.config == TbtcConfig.of("tbtc-swint-charm", "S")
