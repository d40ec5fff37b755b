"""Layers that compute in another way what torch's own compute."""

import pytest
import torch
from nic_nn.nets.layers import Pointwise, ResidualBottleneck, ToPixels, deconv
from nic_nn.nets.residual import Skip
from torch import nn


@pytest.mark.parametrize("size", [(1, 1), (4, 7), (17, 33)])
def test_to_pixels_is_a_transposed_convolution(size: tuple[int, int]) -> None:
    ours, theirs = ToPixels(8), deconv(8, 3)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 8, *size)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_pointwise_is_a_convolution() -> None:
    layer = Pointwise(8, 5)
    x = torch.randn(2, 8, 6, 7).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(layer(x), nn.functional.conv2d(x, layer.weight, layer.bias))


@pytest.mark.parametrize("size", [(1, 1), (50, 700), (3, 13000)])
def test_strips_see_their_neighbours(size: tuple[int, int]) -> None:
    block = ResidualBottleneck(4)
    x = torch.randn(1, 4, *size)
    with torch.no_grad():
        torch.testing.assert_close(block(x), x + block.branch(x))


def test_a_skip_is_a_strided_convolution_with_and_without_gradients():
    skip = Skip(3, 8).to(memory_format=torch.channels_last)
    x = torch.rand(2, 3, 9, 10).to(memory_format=torch.channels_last)
    trained = skip(x)
    trained.sum().backward()
    assert skip.weight.grad[:, :, 0, 0].allclose(x[:, :, ::2, ::2].sum((0, 2, 3)).expand(8, 3))
    with torch.no_grad():
        assert skip(x).allclose(trained, atol=1e-6)
