"""The recipe that trains the entropy model alone: what learns, from what, and that files become smaller."""

import pytest
import torch
from nic_mini.config import MiniConfig
from nic_mini.model import Mini
from nic_mini.plugin import nic_recipes
from nic_mini.symbols_recipe import MiniSymbols
from nic_nn.training.batch import Batch
from nic_nn.training.networks import Networks
from nic_nn.training.symbols import rates

SHAPE = {
    "widths": (4, 6, 8),
    "blocks": (1, 1, 1),
    "slices": (2, 2, 4),
    "hyper": 4,
    "features": 6,
    "context": 6,
    "levels": 3,
}


@pytest.fixture
def model() -> Mini:
    torch.manual_seed(5)
    made = Mini(MiniConfig(**SHAPE))
    with torch.no_grad():
        made.gains.log_gain.add_(1.5)  # symbols other than zero
    return made


def recipe() -> MiniSymbols:
    return MiniSymbols(codec="mini", crop=64, batch=2, **SHAPE)


def batch() -> Batch:
    torch.manual_seed(6)
    pixels = torch.nn.functional.interpolate(torch.rand(2, 3, 16, 16), size=64, mode="bilinear")
    return Batch(pixels, torch.arange(2), ("a.png", "b.png"))


def test_the_entropy_model_alone_learns(model: Mini) -> None:
    asked = recipe()
    (stage,) = asked.stages()
    assert stage.trainable == asked.learning and any(spec.name == "mini-symbols" for spec in nic_recipes())
    model.train()
    asked.loss(Networks(model), batch())["loss"].backward()
    learned = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert learned and all(name.startswith(("h_s.", "contexts.")) for name in learned)
    assert {name.split(".")[0] for name in learned} == {"h_s", "contexts"}


def test_what_is_coded_becomes_less(model: Mini) -> None:
    model.train()
    given, asked = batch(), recipe()
    with torch.no_grad():
        y = model.analyse(given.pixels, 60.0)
    optimizer = asked.optimizers(Networks(model)).main

    def coded() -> float:
        with torch.no_grad():
            return float(rates(model, y)[1].sum())

    before = coded()
    for group in optimizer.param_groups:
        group["lr"] = 1e-2
    for _ in range(20):
        optimizer.zero_grad()
        sum(part.sum() for part in rates(model, y)).backward()
        optimizer.step()
    assert coded() < 0.98 * before


def test_scales_learn_from_rounded_values_and_means_from_noise(model: Mini) -> None:
    """With noise the rate of means differs from draw to draw, that of scales, which is coded, does not."""
    model.train()
    y = 3 * torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    first, second = rates(model, y), rates(model, y)
    assert not torch.equal(first[0], second[0])
    torch.testing.assert_close(first[1], second[1], rtol=0, atol=0)
    model.eval()
    expected = -model.estimate(y).log_likelihoods["y"].flatten(1).sum(1)
    torch.testing.assert_close(first[1], expected)


def test_where_it_is_validated_the_loss_is_that_of_all(model: Mini) -> None:
    model.eval()
    with torch.no_grad():
        values = recipe().loss(Networks(model), batch())
    assert set(values) >= {"loss", "bpp", "psnr"}
