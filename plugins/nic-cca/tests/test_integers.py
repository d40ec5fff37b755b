"""The nets of the hyper-synthesis and the context get integers by themselves, near what they compute in float64."""

import numpy as np
import pytest
from nic_cca.blocks import NafBlock, NafTransform, SimpleGate
from nic_cca.config import CcaConfig
from nic_cca.model import hyper_synthesis
from nic_nn.nets.timm_parts import LayerNorm2d
from nic_nn.testing import filled, integer_error

CONFIG = CcaConfig.of(width=16, depth=1)

NETS = {
    "gate": (SimpleGate, 16),
    "norm": (lambda: LayerNorm2d(16), 16),
    "block": (lambda: NafBlock(16), 16),
    "transform": (lambda: NafTransform(24, 16, 2), 24),
    "hyper-synthesis": (lambda: hyper_synthesis(CONFIG), CONFIG.hyper),
}


@pytest.mark.parametrize("name", list(NETS))
def test_near_float64(name):
    make, channels = NETS[name]
    numbers = np.random.default_rng(0).normal(0, 1, (2, 6, 9, channels))
    assert integer_error(filled(make()), numbers) < 2e-3
