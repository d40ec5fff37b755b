"""Wide convolutions have torch's results and gradients."""

import pytest
import torch
from nic_nn.integers.forms import listed
from nic_nn.nets.layers import conv, deconv
from nic_nn.nets.wide import WIDE, WideConv, WideDeconv
from torch import nn


def gradients(layer: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Return the output, and the gradients of the input and the parameters."""
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(torch.linspace(-1, 1, y.numel()).reshape(y.shape))
    return [y.detach(), *(tensor.grad for tensor in (x, *layer.parameters()))]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("size", [(8, 8), (6, 10)])
def test_gradients_in_parts_are_those_of_the_whole(transposed: bool, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours, plain = (WideDeconv, nn.ConvTranspose2d) if transposed else (WideConv, nn.Conv2d)
    others = {"output_padding": 1} if transposed else {}
    layer, expected = (kind(70, 40, 5, 2, padding=2, **others) for kind in (ours, plain))
    expected.load_state_dict(layer.state_dict())
    x = torch.randn(2, 70, *size)
    for got, wanted in zip(gradients(layer, x), gradients(expected, x), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_only_what_learns_has_a_gradient() -> None:
    layer = WideConv(8, 8, 3, 2, padding=1).requires_grad_(False)
    x = torch.randn(1, 8, 4, 4, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None and layer.weight.grad is None
    layer.requires_grad_(True)
    layer(x.detach()).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("transposed", [False, True])
def test_integer_forms_take_them_for_what_they_are(transposed: bool) -> None:
    layer = deconv(192, 192) if transposed else conv(192, 192)
    assert layer.weight.numel() >= WIDE
    assert isinstance(layer, WideDeconv if transposed else WideConv)
    assert listed(layer) is (WideDeconv if transposed else nn.Conv2d)
    assert type(conv(192, 192, stride=1)) is nn.Conv2d
