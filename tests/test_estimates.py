"""Estimated rates lie beside those of files."""

from pathlib import Path

import pytest
import torch
from nic_core.weights import WeightsInfo
from nic_egic.config import EgicConfig
from nic_egic.model import Egic
from nic_eval.contestants.codecs import NicContestant
from nic_eval.contestants.contestant import FilePicture
from nic_eval.contestants.estimates import EstimatedContestant
from nic_eval.metrics.pairs import psnr
from nic_nn.weights.export import export
from nic_nn.weights.random_weights import filled
from nic_textsketch.config import SketchConfig
from nic_textsketch.sketches.model import SketchModel
from skimage import data

PICTURE = FilePicture(data.astronaut()[:200, :264], path=Path("astronaut.png"))


def test_mini():
    real, estimated = (kind("mini", "cpu", (20.0, 80.0)) for kind in (NicContestant, EstimatedContestant))
    for setting in estimated.settings():
        file = real.encode(PICTURE, setting)
        found = estimated.estimate(PICTURE, setting)
        # Tables by counts code better than Gaussians, which estimates are by; header, coder and integers cost.
        assert -0.02 * found.bits < 8 * len(file) - found.bits < 0.03 * found.bits + 8 * 80
        assert psnr(PICTURE.pixels, found.pixels) == pytest.approx(
            psnr(PICTURE.pixels, real.decode(file, setting)), abs=0.05
        )


RANDOM = {
    "egic": lambda: Egic(EgicConfig.of(width=16, orp=True)),  # an option of decoding
    "textsketch-ntc": lambda: SketchModel(SketchConfig(16)),  # gray
}
"""Models of random weights: their rates say nothing of pictures."""


@pytest.mark.parametrize("codec", list(RANDOM))
def test_every_kind_of_codec(codec, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "random.safetensors"
    export(filled(RANDOM[codec]().eval()), path, WeightsInfo(codec, "random", {}, "", "", quality=50.0))
    options = (":realism=0", ":realism=1") if codec == "egic" else ("",)
    found = []
    for text in options:
        contestant = EstimatedContestant(f"{codec}@{path}{text}", "cpu")
        (setting,) = contestant.settings()
        found.append(contestant.estimate(PICTURE, setting))
        assert found[-1].pixels.shape == PICTURE.pixels.shape and found[-1].bits > 0
    assert len({item.bits for item in found}) == 1  # what decoding is told costs nothing
    assert len({item.pixels.tobytes() for item in found}) == len(options)
