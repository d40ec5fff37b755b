"""The model: the authors' numbers, its sizes, realism, and coding that gives back what was estimated."""

import dataclasses

import numpy as np
import pytest
import torch
from egic_reference import GOLDEN, SMALL, small_model, variables
from nic_core.errors import BadOption
from nic_egic.config import EgicConfig
from nic_egic.importer import codec_state, infer_config, published_name
from nic_egic.model import Egic
from nic_nn.testing import assert_codes_what_it_estimates, picture
from nic_nn.weights.checkpoints import fill

BPP = 211.21292114257812
"""What the authors' code gives for the picture: a likelihood without a floor, and weights that were never trained."""


@pytest.fixture(scope="module")
def reference():
    """The model that the reference checkpoint holds, with output residual prediction.

    In float64: one y - mean is 4e-6 from a half, which float32 may round either way.
    """
    state = codec_state(variables(orp=True))
    model = Egic(infer_config(state))
    fill(model, state, published_name, "the reference")
    return model.double()


@pytest.fixture(scope="module")
def small():
    return small_model()


@torch.inference_mode()
def test_numbers_of_the_authors_code(reference):
    expected = np.load(GOLDEN / "egic.npz")
    output = reference(x := picture().double())
    y, z = output["latents"]["y"], output["latents"]["z"]
    found = {"y": y[..., ::4, ::4], "z": z[..., ::2, ::2], "hyper": reference.h_s(z.round())[..., ::8, ::8]}
    for name, values in found.items():
        assert np.abs(values.numpy() - expected[name]).max() < 2e-4 * np.abs(expected[name]).max(), name
    assert sum(bits.item() for bits in output["bits"].values()) / x[0, 0].numel() == pytest.approx(BPP, rel=1e-4)
    features = reference.g_s.features(output["latents"]["y_hat"])
    heads = {"x_hat": output["x_hat"], "x_hat_50": reference.g_s.finish(features, 0.5)}
    heads["x_hat_0"] = reference.g_s.finish(features, 0.0)
    for name, x_hat in heads.items():
        error = np.abs(255 * x_hat[..., ::8, ::8].numpy() - expected[name])
        assert np.quantile(error, 0.99) < 1e-3 * expected[name].std(), name


def test_published_sizes(reference):
    with_orp = EgicConfig(support=5, orp=True)
    assert reference.config == with_orp
    assert EgicConfig.of(128) == EgicConfig()
    plain = Egic(dataclasses.replace(with_orp, orp=False)).to("meta")
    assert sum(p.numel() for p in plain.parameters()) == 31_329_936
    head = sum(p.numel() for p in reference.g_s.mse_head.parameters())
    assert head == sum(p.numel() for p in reference.parameters()) - 31_329_936


@pytest.mark.parametrize("size", [(64, 64), (64, 192), (192, 128)])
def test_small_model_codes_what_it_estimates(small, size):
    torch.manual_seed(1)
    y = small.g_a(torch.rand(2, 3, *size))
    assert assert_codes_what_it_estimates(small, y).abs().max() > 1 and small.h_a(y).round().any()


@torch.inference_mode()
def test_table_indexes_are_what_the_rate_is_estimated_with(small):
    x = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    estimated = sum(bits.item() for bits in small(x)["bits"].values())
    (stream,) = small.compress(x).streams
    # Indexes are rounded to table rows, and a stream ends with some bytes of state.
    assert 8 * len(stream) == pytest.approx(estimated, rel=0.03, abs=64)


@torch.inference_mode()
def test_realism_goes_from_one_head_to_the_other():
    model = small_model(orp=True)
    y_hat = torch.randn(1, 40, 4, 4)
    features = model.g_s.features(y_hat)
    gan, mse = model.g_s.finish(features, 1), model.g_s.finish(features, 0)
    assert not torch.equal(gan, mse)
    torch.testing.assert_close(model.g_s(y_hat, 0.25), 0.25 * gan + 0.75 * mse)
    assert torch.equal(model.g_s(y_hat), gan)


@pytest.mark.parametrize(("realism", "head"), [(1.0, "mse_head"), (0.0, "stages")])
@torch.inference_mode()
def test_an_end_of_the_scale_runs_one_head(realism, head):
    model = small_model(orp=True)
    features = model.g_s.features(torch.randn(1, 40, 4, 4))
    expected = model.g_s.finish(features, realism)
    for parameter in getattr(model.g_s, head).parameters():
        parameter.fill_(torch.nan)
    assert torch.equal(model.g_s.finish(features, realism), expected)


def test_one_head_has_one_realism(small):
    with pytest.raises(BadOption, match="output residual prediction"):
        small.g_s(torch.zeros(1, 40, 4, 4), 0.5)


@torch.inference_mode()
def test_a_second_head_is_made_from_the_first_and_taken_away(small):
    y_hat = torch.randn(1, 40, 4, 4)
    model = Egic(dataclasses.replace(SMALL, orp=True)).eval()
    model.load_state_dict(model.completed(small.state_dict()))
    assert torch.equal(model.g_s(y_hat, 0), small.g_s(y_hat))
    changed = small_model(orp=True)
    assert torch.equal(changed.without_orp().g_s(y_hat), changed.g_s(y_hat, 1))
    assert small.without_orp() is small
    kept = changed.state_dict()
    assert changed.completed(kept) is kept
    changed.g_s.copy_head()
    assert torch.equal(changed.g_s(y_hat, 0), changed.g_s(y_hat, 1))


def test_all_parameters_learn():
    model = small_model().train()
    output = model(torch.rand(2, 3, 64, 64))
    (output["x_hat"].square().mean() + sum(bits.sum() for bits in output["bits"].values())).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("width", [32, 64, 96])
def test_other_widths_keep_the_proportions(width):
    config = EgicConfig.of(width)
    assert config.widths == (width, 3 * width // 2, 2 * width, 5 * width // 2)
    assert sum(p.numel() for p in Egic(config).to("meta").parameters()) < 31_329_936


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"widths": (128, 192, 320)}, "four values"),
        ({"head_dim": 48}, "multiples of head_dim"),
        ({"context_widths": (64, 64, 64)}, "3 slices"),
        ({"depths": (2, 2, 0, 2)}, "positive"),
    ],
)
def test_sizes_that_make_no_model_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        EgicConfig(**sizes)


@pytest.mark.parametrize("width", [0, 30])
def test_widths_that_make_no_model_are_refused(width):
    with pytest.raises(ValueError, match="multiple of 4"):
        EgicConfig.of(width)
