"""The model: the authors' numbers, its size, and coding that gives back what was estimated."""

import json
import math
from pathlib import Path

import pytest
import torch
from nic_cca.auxiliary import AuxiliaryEntropyModel
from nic_cca.config import CcaConfig, slice_sizes
from nic_cca.importer import import_checkpoint, published_name
from nic_cca.model import Cca
from nic_cca.recipe import CcaRecipe
from nic_nn.testing import assert_codes_what_it_estimates, assert_reference, checkpoint, picture
from nic_nn.training.batch import Batch
from nic_nn.training.recipe import Networks
from nic_nn.weights.checkpoints import fill, read_state
from torch import nn

GOLDEN = Path(__file__).parent / "golden"
SEED = 3


@pytest.fixture(scope="module")
def authors(tmp_path_factory):
    """The reference checkpoint."""
    path = tmp_path_factory.mktemp("golden") / "authors.pth.tar"
    entries = {f"module.{name}": value for name, value in checkpoint(GOLDEN / "cca.manifest.json", SEED).items()}
    torch.save({"epoch": 0, "state_dict": entries}, path)
    return path


@pytest.fixture(scope="module")
def model(authors):
    """The model in it."""
    return import_checkpoint.load(authors)


@torch.inference_mode()
def test_numbers_of_the_public_implementation(model):
    assert_reference(model, model.g_a(picture(64, 64, SEED)), GOLDEN / "cca")


def auxiliary_of(path):
    """Return the auxiliary model in a checkpoint."""
    state = {
        name.removeprefix("aux_entropymodel."): value
        for name, value in read_state(path).items()
        if name.startswith("aux_entropymodel.")
    }
    auxiliary = AuxiliaryEntropyModel(CcaConfig())
    fill(auxiliary, state, lambda name: published_name(name).replace("z_entropy", "y_entropy"), path.name)
    return auxiliary


@torch.inference_mode()
def test_every_term_of_the_published_loss(authors, model):
    batch = Batch(picture(64, 64, SEED), torch.zeros(1, dtype=torch.int64), ("picture",))
    values = CcaRecipe("cca", lmbda=0.05, beta=0.3, alpha=1.0).loss(Networks(model, auxiliary_of(authors)), batch)
    expected = json.loads((GOLDEN / "cca.json").read_text())["loss"]
    for ours, theirs in {"cca": "cca_loss", "aux2": "aux2_loss", "bpp": "bpp_loss", "loss": "loss"}.items():
        assert values[ours].item() == pytest.approx(expected[theirs], rel=1e-5), ours
    assert values["psnr"].item() == pytest.approx(-10 * math.log10(expected["mse_loss"]), abs=1e-4)


def test_parameters():
    networks = CcaRecipe("cca").build()
    count = {part: sum(p.numel() for p in module.parameters()) for part, module in networks.parts().items()}
    assert count["model"] == 64_988_067
    assert sum(count.values()) == 94_253_423


def test_slices_are_the_papers():
    assert slice_sizes(320) == CcaConfig().slices == (8, 28, 56, 92, 136)
    assert CcaConfig.of(192) == CcaConfig()


@pytest.mark.parametrize("size", [(64, 64), (64, 192)])
@torch.inference_mode()
def test_reference_weights_code_what_they_estimate(model, size):
    model.freeze_tables()
    assert_codes_what_it_estimates(model, model.g_a(picture(*size)))


@pytest.mark.parametrize("config", [CcaConfig.of(16, 1), CcaConfig.of(48, 2)], ids=["16", "48"])
@torch.inference_mode()
def test_small_models_code_what_they_estimate(config):
    torch.manual_seed(0)
    model = Cca(config).eval()
    model.g_a[0].weight.mul_(30)  # fresh weights shrink everything to zero symbols
    model.freeze_tables()
    assert assert_codes_what_it_estimates(model, model.g_a(torch.rand(2, 3, 64, 128))).abs().max() > 0


@pytest.mark.parametrize("alpha", [1.0, 0.0])
def test_all_parameters_learn(alpha):
    torch.manual_seed(0)
    recipe = CcaRecipe("cca", width=16, depth=1, alpha=alpha)
    networks = recipe.build()
    for module in networks.parts().values():
        for block in module.modules():
            if hasattr(block, "beta"):  # gains start at zero, behind which nothing would learn yet
                nn.init.ones_(block.beta)
                nn.init.ones_(block.gamma)
    batch = Batch(torch.rand(2, 3, 64, 64), torch.arange(2), ("a", "b"))
    values = recipe.loss(networks, batch)
    values["loss"].backward()
    parameters = [
        (f"{part}.{name}", parameter)
        for part, module in networks.parts().items()
        for name, parameter in module.named_parameters()
    ]
    silent = [name for name, parameter in parameters if parameter.grad is None]
    assert all(name.endswith("quantiles") for name in silent)  # these have a loss of their own
    assert all(p.grad.isfinite().all() for _, p in parameters if p.grad is not None)
    assert ("cca" in values) == (networks.auxiliary is not None) == bool(alpha)


def test_each_slice_of_the_auxiliary_model_sees_one_less():
    config = CcaConfig.of(16, 1)
    auxiliary = AuxiliaryEntropyModel(config)
    latent = sum(config.slices)
    seen = [predictor.mean_features.enter.in_channels - latent for predictor in auxiliary.predictors]
    assert seen == [0, 0, config.slices[0], sum(config.slices[:2]), sum(config.slices[:3])]
    assert [predictor.residual is not None for predictor in auxiliary.predictors] == [True] * 3 + [False] * 2
