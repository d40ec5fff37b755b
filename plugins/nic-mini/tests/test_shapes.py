"""Shapes that a config allows: each codes what it estimates, within the costs that decoding may have."""

import dataclasses
import json

import pytest
import torch
from nic_core.errors import BadOption
from nic_latent.config import from_json
from nic_mini.config import MiniConfig
from nic_mini.model import Mini
from nic_mini.recipe import MiniRecipe

TINY = MiniConfig((4, 6, 8), (1, 1, 1), (2, 2, 4), hyper=4, features=6, context=6, levels=3)
VARIANTS = {
    "plain": {},
    "heavier analysis": {"analysis_widths": (8, 10, 12), "analysis_blocks": (2, 1, 2)},
    "depthwise": {"kernels": (0, 5, 7)},
    "what is left": {"rest": 5},
    "small context": {"around": 3, "slices": (1, 3, 4)},
}


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS)
def test_every_shape_codes_what_it_estimates(change):
    torch.manual_seed(3)
    config = dataclasses.replace(TINY, **change)
    model = Mini(from_json(MiniConfig, json.loads(json.dumps(dataclasses.asdict(config))))).eval()
    assert model.config == config
    with torch.no_grad():  # scales as wide as y, whose tails are in the tables
        for channels, context in zip(config.slices, model.contexts, strict=True):
            for bias in (context.anchors.bias, context.rest[-1].bias):
                bias[:channels] = 4
    x = torch.rand(1, 3, 64, 128)
    with torch.inference_mode():
        bits = sum(value.item() for value in model(x, 60.0)["bits"].values())
        coded = model.compress(x, 60.0)
        errors = model.decode(coded) - model.analyse(x, 60.0)
    assert len(coded.streams[0]) == pytest.approx(bits / 8, rel=0.02, abs=64)
    assert errors.abs().max() <= 0.5 + 2**-11


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("widths", (4, 0, 8)),
        ("slices", (2, 0)),
        ("kernels", (0, 4, 0)),
        ("around", 0),
        ("levels", 1),
        ("hyper", 0),
        ("rest", -1),
    ],
)
def test_shapes_that_cannot_be(name, value):
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(TINY, **{name: value})
    with pytest.raises(BadOption, match=name):
        MiniRecipe(codec="mini", **{name: value})


def test_a_fresh_model_starts_from_gray_and_from_small_scales():
    """An untrained picture of noise had 7 dB; from wide scales, a thousand steps went into making them small."""
    torch.manual_seed(0)
    model = Mini(TINY).eval()
    with torch.inference_mode():
        output = model(torch.rand(2, 3, 64, 64), 50.0)
        scales = next(model.context(model.h_s(torch.zeros(1, TINY.hyper, 2, 2)))).scale
    assert (output["x_hat"] - 0.5).abs().mean() < 0.1
    assert (scales - 0.5).abs().max() < 0.25


def test_what_is_trained_previews_with_its_own_synthesis():
    values = {field.name: getattr(TINY, field.name) for field in dataclasses.fields(TINY)}
    model = MiniRecipe(codec="mini", **{**values, "rest": 5}).build_model()
    other = Mini(dataclasses.replace(TINY, rest=5))
    state = other.state_dict()
    model.load_state_dict(model.completed(state))
    for name, value in model.preview.state_dict().items():
        assert torch.equal(value, state[f"g_s.{name}"])
        assert value.data_ptr() == model.g_s.state_dict()[name].data_ptr()
    x = torch.rand(1, 3, 64, 64)
    model.analyse(x).square().mean().backward()
    assert model.g_s[0].weight.grad is not None
    assert other.completed(state) is state


def kmacs(model, *parts):
    """Thousands of multiply-accumulates a pixel of some of the model's parts; all of them are convolutions."""
    counted = []
    hooks = [
        module.register_forward_hook(lambda m, _, out: counted.append(m.weight.numel() * out[0, 0].numel()))
        for part in parts
        for module in getattr(model, part).modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    with torch.inference_mode():
        model(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return sum(counted) / 64**2 / 1000


def test_new_models_cost_no_more_to_decode_than_the_first():
    """13.3 thousand multiply-accumulates a pixel of synthesis, 18.3 in all, and about 12 MB in half precision."""
    first = Mini(MiniConfig((48, 96, 160), (1, 2, 2), (16, 16, 32, 96), features=128, context=96)).eval()
    assert kmacs(first, "g_s") == pytest.approx(13.3, abs=0.05)
    assert kmacs(first, "g_s", "h_s", "contexts") == pytest.approx(18.3, abs=0.05)
    model = MiniRecipe(codec="mini").build_model().eval()
    assert kmacs(model, "g_s") <= kmacs(first, "g_s")
    assert kmacs(model, "g_s", "h_s", "contexts") <= 18.3
    assert sum(parameter.numel() for parameter in model.parameters()) <= 6.1e6


def test_what_decides_symbols_is_piecewise_linear():
    model = MiniRecipe(codec="mini").build_model()
    kinds = {type(module) for part in (model.h_s, model.contexts) for module in part.modules()}
    assert {kind.__name__ for kind in kinds} <= {
        "Sequential", "ModuleList", "SliceContext", "Conv2d", "LeakyReLU", "ReLU", "PixelShuffle"
    }  # fmt: skip
    convolutions = [m for part in (model.h_s, model.contexts) for m in part.modules() if hasattr(m, "groups")]
    assert all(convolution.groups == 1 for convolution in convolutions)
