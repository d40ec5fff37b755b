"""Multiply-accumulates are counted for every kind of model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from nic_core.weights import WeightsInfo
from nic_eval.contestants.codecs import NicContestant
from nic_eval.contestants.contestant import FilePicture
from nic_nn.weights.export import export
from nic_tbtc.recipe import TbtcRecipe


def black(width):
    return FilePicture(np.zeros((64, width, 3), np.uint8), path=Path("black.png"))


@pytest.mark.parametrize("codec", ["tbtc-conv-charm", "tbtc-swint-hyperprior"])
def test_a_larger_picture_takes_proportionally_more(codec, tmp_path):
    torch.manual_seed(0)
    weights = tmp_path / "untrained.safetensors"
    export(TbtcRecipe(codec=codec, size="S").build_model(), weights, WeightsInfo(codec, "untrained", {}, "", ""))
    contestant = NicContestant(f"{codec}@{weights}", "cpu")
    (setting,) = contestant.settings()
    small, large = (contestant.gmacs(black(width), setting) for width in (64, 128))
    assert small["encode"] > 0.1
    assert large == pytest.approx({key: 2 * value for key, value in small.items()}, rel=0.1)


def test_mini(tmp_path):
    contestant = NicContestant("mini", "cpu", (50.0,))
    (setting,) = contestant.settings()
    counted = contestant.gmacs(black(64), setting)
    assert counted["decode"] == pytest.approx(8.279 * 64 * 64 / (768 * 512), rel=0.01)


def test_another_decoder_is_counted_too():
    (fast, best) = (NicContestant(text, "cpu", (50.0,)) for text in ("mini", "mini:decoder=best"))
    own, other = (contestant.gmacs(black(64), contestant.settings()[0]) for contestant in (fast, best))
    assert other["encode"] == own["encode"]
    kmacs = (other["decode"] - own["decode"]) / 64**2 * 1e6
    assert kmacs == pytest.approx(84.1 - 14.0, abs=0.1)
