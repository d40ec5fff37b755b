"""The nets of TCM that decide symbols get integers by themselves, near what they compute in float64."""

import numpy as np
import pytest
from nic_nn.testing import filled, integer_error
from nic_tbtc.tcm.blocks import MixedBlock, SwinGate, squeezed_attention
from nic_tbtc.tcm.model import hyper_synthesis, predictor
from tcm_reference import SMALL

NETS = {
    "block": (lambda: MixedBlock(8, 2, 4, 0), 16),
    "shifted block": (lambda: MixedBlock(8, 2, 4, 2), 16),
    "gate": (lambda: SwinGate(16, 4, 8), 16),
    "attention": (lambda: squeezed_attention(24, 16, 4, 8), 24),
    "rounding error": (lambda: predictor(SMALL, 1).residual, 24 + 8 + 8),
    "hyper-synthesis": (lambda: hyper_synthesis(SMALL), 16),
}


@pytest.mark.parametrize("size", [(6, 9), (1, 1), (8, 16)])
@pytest.mark.parametrize("name", list(NETS))
def test_near_float64(name, size):
    make, channels = NETS[name]
    numbers = np.random.default_rng(0).normal(0, 1, (2, *size, channels))
    assert integer_error(filled(make()), numbers) < 3e-3
