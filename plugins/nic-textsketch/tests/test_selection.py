"""Which candidate is nearest."""

import math

import numpy as np
import pytest
import torch
from nic_core.errors import NicError
from nic_nn.testing import write_random_alexnet
from nic_textsketch.prompting.selection import METRICS, Score, Selection
from PIL import Image


class MeanColour:
    """In place of CLIP: the features of a picture are its mean colour; one without any has none."""

    def image_features(self, pictures):
        features = torch.stack([torch.tensor(np.asarray(picture, float)).mean((0, 1)) for picture in pictures])
        return features / features.norm(dim=1, keepdim=True)


def uniform(*colour):
    return Image.new("RGB", (64, 64), colour)


def chosen(metric, original, candidates):
    selection = Selection(metric, original, MeanColour())
    for candidate in candidates:
        selection.add(candidate)
    return selection


def test_clip_compares_directions():
    selection = chosen("clip", uniform(200, 100, 0), [uniform(0, 0, 99), uniform(100, 50, 0), uniform(200, 150, 0)])
    assert selection.best.index == 1
    assert selection.best.value == pytest.approx(1)
    assert str(selection) == "candidate 2 of 3: CLIP similarity 1.00"


def test_mse_compares_values():
    selection = chosen("mse", uniform(200, 100, 0), [uniform(100, 50, 0), uniform(200, 100, 51), uniform(0, 0, 0)])
    assert selection.best.value == pytest.approx(0.04 / 3)
    assert str(selection) == "candidate 2 of 3: MSE 0.0133"


def test_lpips_compares_looks(monkeypatch, tmp_path):
    pytest.importorskip("lpips")
    monkeypatch.setenv("NIC_LPIPS", str(write_random_alexnet(tmp_path)))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    near = np.clip(noise.astype(int) + 3, 0, 255).astype(np.uint8)
    selection = chosen("lpips", Image.fromarray(noise), [uniform(128, 128, 128), Image.fromarray(near)])
    assert selection.best.index == 1
    assert selection.best.value > 0
    assert str(selection).startswith("candidate 2 of 2: LPIPS 0.")


@pytest.mark.parametrize("metric", ["clip", "mse"])
def test_the_first_of_equals(metric):
    same = uniform(9, 8, 7)
    assert chosen(metric, same, [uniform(0, 0, 1), same, same]).best.index == 1


@pytest.mark.parametrize("metric", METRICS)
def test_a_score_is_better_or_not(metric):
    less, more, none = (Score(0, metric, value) for value in (0.1, 0.2, math.nan))
    near, far = (more, less) if metric == "clip" else (less, more)
    assert near.better_than(far) and near.better_than(None)
    assert not far.better_than(near) and not near.better_than(near)
    assert not none.better_than(near) and not none.better_than(None)


def test_what_is_no_number_is_not_chosen():
    black, red = uniform(0, 0, 0), uniform(1, 0, 0)  # black has no direction
    assert chosen("clip", red, [black, red, black]).best.index == 1
    for candidates in ([], [black, black]):
        selection = chosen("clip", red, candidates)
        with pytest.raises(NicError, match=f"none of {len(candidates)} candidates can be compared by CLIP similarity"):
            str(selection)


def test_clip_is_needed():
    with pytest.raises(ValueError, match="needs a CLIP model"):
        Selection("clip", uniform(0, 0, 0))
    Selection("mse", uniform(0, 0, 0))
