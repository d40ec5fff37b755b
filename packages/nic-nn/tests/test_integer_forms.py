"""Integer nets of torch's layers and of nic-nn's come near what they compute in float64."""

import numpy as np
import pytest
import torch
from nic_core.errors import BadWeights
from nic_latent.integers.fixed import Fixed
from nic_nn.integers.builder import Builder
from nic_nn.integers.draft import Widths
from nic_nn.nets.charm import slice_net
from nic_nn.nets.checkerboard import Packed, PackedConv, Unpacked
from nic_nn.nets.compressai_parts import GDN as CompressaiGDN
from nic_nn.nets.compressai_parts import AttentionBlock, ResidualBlock
from nic_nn.nets.gdn import GDN
from nic_nn.nets.layers import Pointwise, ResidualBottleneck, ToPixels, conv, deconv
from nic_nn.nets.swin import NormedPatchSplitting, PatchSplitting, SwinBlock, SwinStage, ToPlanes, ToPositions
from nic_nn.testing import filled, integer_error
from torch import nn

WIDTH = 32


def numbers(*shape: int, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, shape)


def last(*layers: nn.Module) -> nn.Sequential:
    """Return layers on channels last, between planes."""
    return nn.Sequential(ToPositions(), *layers, ToPlanes())


LAYERS = {
    "conv": lambda: conv(WIDTH, 24),
    "depthwise": lambda: nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH),
    "groups": lambda: nn.Conv2d(WIDTH, 24, 3, padding=1, groups=4),
    "deconv": lambda: deconv(WIDTH, 24),
    "pointwise": lambda: Pointwise(WIDTH, 24),
    "to pixels": lambda: ToPixels(WIDTH),
    "charm": lambda: slice_net(WIDTH, 8),
    "linear": lambda: last(nn.Linear(WIDTH, 24)),
    "layer norm": lambda: last(nn.LayerNorm(WIDTH)),
    "plain layer norm": lambda: last(nn.LayerNorm(WIDTH, elementwise_affine=False)),
    "gelu": lambda: nn.Sequential(Pointwise(WIDTH, WIDTH), nn.GELU(), nn.Dropout()),
    "sigmoid": lambda: nn.Sequential(Pointwise(WIDTH, WIDTH), nn.Sigmoid()),
    "tanh": lambda: nn.Sequential(Pointwise(WIDTH, WIDTH), nn.Tanh(), nn.Identity()),
    "pool": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), Pointwise(WIDTH, WIDTH)),
    "bottleneck": lambda: ResidualBottleneck(WIDTH),
    "residual block": lambda: ResidualBlock(WIDTH, 24),
    "attention block": lambda: AttentionBlock(WIDTH),
    "swin": lambda: last(SwinStage(WIDTH, 2, 4, 4)),
    "swin of 8": lambda: last(SwinStage(WIDTH, 2, 4, 8, scale=0.3)),
    "patch splitting": lambda: last(PatchSplitting(WIDTH, 24)),
    "normed patch splitting": lambda: last(NormedPatchSplitting(WIDTH, 24)),
    "last patch splitting": lambda: last(NormedPatchSplitting(WIDTH, 24, norm=False)),
}


@pytest.mark.parametrize("name", list(LAYERS))
def test_near_float64(name):
    module = filled(LAYERS[name]())
    assert integer_error(module, numbers(2, 6, 10, WIDTH)) < 7e-4


@pytest.mark.parametrize(("height", "width"), [(4, 8), (5, 7), (1, 1), (9, 3)])
@pytest.mark.parametrize("shift", [0, 2])
def test_windows_of_any_map(height, width, shift):
    block = filled(last(SwinBlock(WIDTH, 2, 4, shift)))
    assert integer_error(block, numbers(2, height, width, WIDTH)) < 7e-4


@pytest.mark.parametrize("kind", [GDN, CompressaiGDN])
@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("scale", [0.1, 3.0, 50.0])
def test_gdn(kind, inverse, scale):
    module = kind(WIDTH, inverse=inverse)
    generator = torch.Generator().manual_seed(0)
    module.gamma.data = 0.3 * torch.rand(WIDTH, WIDTH, generator=generator)
    module.beta.data = 0.1 + torch.rand(WIDTH, generator=generator)
    assert integer_error(module, numbers(1, 6, 10, WIDTH, scale=scale)) < 3e-4


@pytest.mark.parametrize("parity", [0, 1])
def test_checkerboards(parity):
    convolution = filled(PackedConv(WIDTH, 24, 5, parity))
    plain = nn.Conv2d(WIDTH, 24, 5, padding=2)
    plain.load_state_dict(convolution.state_dict())
    x = torch.from_numpy(numbers(2, WIDTH, 6, 10)).float()
    with torch.no_grad():
        assert torch.allclose(convolution(x), Packed(parity)(plain(x)), atol=1e-5)
        row, column = np.indices((6, 10))
        kept = torch.from_numpy((row + column) % 2 == parity)
        assert torch.equal(Unpacked(parity)(Packed(parity)(x)), torch.where(kept, x, 0))
    assert integer_error(nn.Sequential(convolution, Unpacked(parity)), numbers(2, 6, 10, WIDTH)) < 7e-4


def test_products_join_inputs_on_their_own_grids():
    large, small = numbers(1, 6, 10, 8, scale=300.0), numbers(1, 6, 10, 24, scale=0.02, seed=1)
    assert integer_error(filled(conv(WIDTH, 24, 3, 1)), large, small, grid=16) < 7e-4
    assert integer_error(filled(nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH)), large, small, grid=16) < 7e-4
    assert integer_error(nn.Tanh(), large, small, grid=16) < 1e-4


def test_wider_products_are_nearer():
    module, x = filled(last(SwinStage(WIDTH, 2, 4, 4))), numbers(1, 8, 8, WIDTH)
    assert integer_error(module, x, widths=Widths(14, 16)) < 0.3 * integer_error(module, x)


def test_a_net_does_not_depend_on_the_values_that_it_is_called_with_later():
    module, x = filled(last(SwinStage(WIDTH, 2, 4, 4))), Fixed.of(numbers(1, 8, 8, WIDTH), 12)
    build = Builder(Widths(), (x,))
    build.emit(module, (0,), "net")
    net = build.net()
    first = net(x)
    net(Fixed.of(numbers(3, 5, 7, WIDTH, scale=1e5), 12))
    assert np.array_equal(net(x).values, first.values)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.GELU(approximate="tanh"), "exact"),
        (nn.Conv2d(WIDTH, 4, 3, dilation=2), "dilation"),
        (nn.Conv2d(WIDTH, 4, (3, 1)), "square"),
        (nn.Conv2d(WIDTH, 4, 3, padding=1, padding_mode="reflect"), "zeros"),
        (nn.ConvTranspose2d(WIDTH, 4, 3, 2), "multiply the sides"),
        (nn.AdaptiveAvgPool2d(2), "one position"),
        (nn.LayerNorm((6, WIDTH)), "channels alone"),
        (nn.Softmax(1), "softmax"),
    ],
)
def test_what_has_no_form_is_named(module, words):
    build = Builder(Widths(), (Fixed.of(numbers(1, 6, 6, WIDTH), 12),))
    with pytest.raises(BadWeights, match=f"a.net.0 has no integer form.*{words}"):
        build.emit(nn.Sequential(module), (0,), "a.net")
