"""What models of latents are tested by finds what is wrong with them; nic-core's tests try the rest of the kit."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from nic_core.coding import Interleaved
from nic_nn.testing import LatentModelTests, Tiny, tiny
from nic_nn.testing.sampling import bits_of, drawn
from nic_nn.training.recipe import RateDistortion
from torch import nn


@pytest.fixture(scope="module")
def model() -> Tiny:
    found = tiny()
    found.make_integers()
    return found


def test_drawn_latents_cost_what_is_estimated_and_others_do_not(model: Tiny) -> None:
    y, z = drawn(model, (4, 5), seed=0)
    assert (y.shape, z.shape) == ((1, 16, 20, 6), (1, 4, 5, 4))
    coded = len(model.integers.encode(y, z, Interleaved())[0])
    assert coded == pytest.approx(bits_of(model, y, z) / 8, rel=0.01, abs=16)
    with torch.no_grad():
        model.h_s.bias[:6] *= 2
        other = bits_of(model, y, z) / 8
        model.h_s.bias[:6] /= 2
    assert other > 1.02 * coded + 64


def test_draws_follow_the_scales(model: Tiny) -> None:
    y, _ = drawn(model, (16, 16), seed=0)
    with torch.inference_mode():
        hyper = model.h_s(torch.zeros(1, 4, 1, 1))
    scale = hyper[0, :6].clamp(min=0.11).mean()
    assert y.std() == pytest.approx(float(scale), rel=0.2)


class Unused(Tiny):
    """A layer that nothing calls."""

    def __init__(self, config) -> None:
        super().__init__(config)
        self.forgotten = nn.Conv2d(1, 1, 1)


@dataclass(frozen=True)
class Recipe(RateDistortion):
    """lr: negative ones raise the loss. unused: whether the model has a layer that nothing calls."""

    unused: bool = False

    limits = {**RateDistortion.limits, "lr": (-1, 1)}

    def build_model(self) -> Tiny:
        torch.manual_seed(0)
        return (Unused if self.unused else Tiny)(tiny().config)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"lr": 1e-3}, ""),
        ({"lr": 1e-3, "unused": True}, "nothing that the loss depends on uses forgotten.weight, forgotten.bias"),
        ({"lr": 0.0}, "3 steps on one batch do not lower its loss"),
    ],
)
def test_what_does_not_learn_is_found(tmp_path: Path, values: dict, says: str) -> None:
    class Tests(LatentModelTests):
        codec_id = "tiny"

        @classmethod
        def recipe_of(cls, folder: Path) -> Recipe:
            return Recipe("tiny", batch=2, crop=64, val_crop=64, **values)

    if not says:
        Tests().test_steps_lower_the_loss(tmp_path)
        return
    with pytest.raises(AssertionError, match=says):
        Tests().test_steps_lower_the_loss(tmp_path)
