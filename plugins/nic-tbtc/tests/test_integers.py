"""The hyper-syntheses get integers by themselves, near what they compute in float64."""

import numpy as np
import pytest
from nic_nn.testing import filled, integer_error
from nic_tbtc.transforms import conv_hyper_synthesis, conv_synthesis, swint_synthesis

TRANSFORMS = {
    "conv": lambda: conv_hyper_synthesis(12, (16, 16)),
    "swint": lambda: swint_synthesis(24, (16, 16), (3, 1), 4),
    "gdn": lambda: conv_synthesis((16, 16)),
}


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_near_float64(name):
    numbers = np.rint(np.random.default_rng(0).normal(0, 3, (2, 3, 5, 16)))
    assert integer_error(filled(TRANSFORMS[name]()), numbers) < 3e-3
