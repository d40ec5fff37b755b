"""OASIS-C against the authors' network, on weights that anyone can rebuild, and on its own."""

import numpy as np
import pytest
import torch
from egic_reference import nested
from nic_core.errors import BadWeights
from nic_egic.discriminator import OasisC
from nic_egic.losses import segmentation_loss
from nic_egic.oasis_importer import load_oasis, published_name
from nic_egic.variables import read_variables
from nic_nn.testing import picture
from oasis_reference import GOLDEN, variables

SMALL = {"classes": 4, "latent": 8, "widths": (8, 8, 16, 16, 24, 24), "condition": 6}


@pytest.fixture(scope="module")
def published():
    return variables()


@pytest.fixture
def small():
    torch.manual_seed(0)
    return OasisC(**SMALL)


def pictures(count=2, height=128, width=64):
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(count, 3, height, width, generator=generator)
    return x, torch.randn(count, SMALL["latent"], height // 16, width // 16, generator=generator).round()


def test_computes_what_the_authors_network_does(published):
    model = load_oasis(published)
    assert sum(parameter.numel() for parameter in model.parameters()) == 22_450_247 and model.classes == 134
    golden = np.load(GOLDEN / "oasis-c.npz")
    y_hat = torch.from_numpy(golden["y_hat"].astype(np.float32)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        found = model(picture(), y_hat)[0, :, ::16, ::16].permute(1, 2, 0).numpy()
    expected = golden["logits"]
    # What a pixel's logits have in common comes from the latent, which is stored in half precision: that alone moves
    # it by a thousandth. What tells the classes apart does not depend on it.
    common, common_expected = (values.mean(-1, keepdims=True) for values in (found, expected))
    assert np.quantile(np.abs(common - common_expected), 0.99) < 2e-3 * expected.std()
    apart, apart_expected = found - common, expected - common_expected
    assert np.quantile(np.abs(apart - apart_expected), 0.99) < 1e-4 * apart_expected.std()


def test_weights_through_tensorflow(published, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    root = tensorflow.Module()
    nested(tensorflow, root, published)
    tensorflow.train.Checkpoint(root).write(str(tmp_path / "ckpt"))
    found = load_oasis(read_variables(tmp_path)).state_dict()
    expected = load_oasis(published).state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_names_are_those_of_the_authors(published):
    wanted = {f"model/{published_name(name)}" for name, _ in OasisC(134).named_parameters()}
    assert {name for name in published if "naked" not in name and not name.endswith("initialized")} == wanted


def checkpoint(model):
    """Return the variables that the authors' code would write of a network."""
    found = {}
    for name, parameter in model.named_parameters():
        value = parameter.detach().numpy()
        theirs = f"model/{published_name(name)}"
        if theirs.endswith("/g"):
            value = value.ravel()
        found[theirs] = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
    return found


@pytest.mark.parametrize("prefix", ["model/", "", "model/disc/"])
def test_any_width_is_read_alone_or_beside_the_codec(small, prefix):
    state = {name.replace("model/", prefix): value for name, value in checkpoint(small).items()}
    state |= {"save_counter": np.array(1), "model/analysis_transform/layer_with_weights-0/bias": np.zeros(3)}
    read = load_oasis(state)
    assert (read.classes, read.condition.in_channels, len(read.down)) == (4, 8, 6)
    for name, parameter in small.named_parameters():
        assert torch.equal(read.get_parameter(name), parameter)
    x, y_hat = pictures()
    with torch.inference_mode():
        assert torch.equal(read(x, y_hat), small(x, y_hat))


def test_incomplete_checkpoints_are_refused_in_one_line(small):
    state = checkpoint(small)
    del state["model/layer_with_weights-3/conv2/layer_with_weights-0/v"]
    with pytest.raises(BadWeights, match=r"^disc.ckpt is no OASIS-C: 1 missing \(layer_with_weights-3/conv2.*/v\)$"):
        load_oasis(state, "disc.ckpt")
    with pytest.raises(
        BadWeights, match=r"^the checkpoint is no OASIS-C: 101 missing .*1 extra \(layer_with_weights-99/v\)$"
    ):
        load_oasis({"layer_with_weights-99/v": np.zeros(3), "other/kernel": np.zeros((3, 3, 1, 1))})


def test_one_logit_for_each_class_and_one_for_fakes(small):
    x, y_hat = pictures(height=64, width=192)
    assert small(x, y_hat).shape == (2, 5, 64, 192)
    assert OasisC.of(32, 9, 320).head.weight.shape == (10, 16, 1, 1)


def test_the_latent_moves_all_logits_of_a_pixel_alike(small):
    x, y_hat = pictures()
    moved = small(x, y_hat + 1) - small(x, y_hat)
    assert moved.abs().max() > 1e-2
    assert torch.allclose(moved, moved[:, :1].expand_as(moved), atol=1e-4)


def test_starts_with_features_of_ordinary_size_and_gradients_everywhere(small):
    x, y_hat = pictures()
    logits = small(x, y_hat)
    assert 0.01 < (logits - logits.mean(1, keepdim=True)).std() < 10
    logits.square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in small.parameters())


def test_runs_in_less_precision_with_logits_in_full(small):
    x, y_hat = pictures()
    full = small(x, y_hat)
    with torch.autocast("cpu", torch.bfloat16):
        half = small(x, y_hat)
    assert half.dtype == torch.float32
    assert (half - full).abs().mean() < 0.05 * full.std()


def test_learns_to_segment(small):
    """Bright and dark halves are two classes: a few steps teach it which is which."""
    x, y_hat = pictures(2, 64, 64)
    labels = torch.ones(2, 64, 64, dtype=torch.int64)
    labels[:, :, 32:] = 2
    x = 0.3 * x + 0.7 * (labels == 2)[:, None]
    optimizer = torch.optim.Adam(small.parameters(), 3e-3)
    losses = []
    for _ in range(15):
        loss = segmentation_loss(small(x, y_hat), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
