"""Estimated rates lie beside those of files, for the codecs that have weights."""

from pathlib import Path

import pytest
from nic_eval.contestants.codecs import NicContestant
from nic_eval.contestants.contestant import FilePicture
from nic_eval.contestants.estimates import EstimatedContestant
from nic_eval.metrics.pairs import psnr
from skimage import data


def test_mini():
    picture = FilePicture(data.astronaut()[:200, :264], path=Path("astronaut.png"))
    real, estimated = (kind("mini", "cpu", (20.0, 80.0)) for kind in (NicContestant, EstimatedContestant))
    for setting in estimated.settings():
        file = real.encode(picture, setting)
        found = estimated.estimate(picture, setting)
        assert 0 < 8 * len(file) - found.bits < 0.03 * found.bits + 8 * 80  # header, coder and integers
        original, decoded = picture.pixels, real.decode(file, setting)
        assert psnr(original, found.pixels) == pytest.approx(psnr(original, decoded), abs=0.05)
    assert found.bits == pytest.approx(8 * len(file), rel=0.1)
