"""The hyper-synthesis gets integers by itself, near what it computes in float64."""

import numpy as np
from nic_egic.config import EgicConfig
from nic_egic.model import Egic
from nic_nn.testing import filled, integer_error


def test_near_float64():
    config = EgicConfig.of(width=16)
    numbers = np.rint(np.random.default_rng(0).normal(0, 3, (2, 3, 5, config.hyper_widths[-1])))
    assert integer_error(filled(Egic(config).h_s), numbers) < 3e-3
