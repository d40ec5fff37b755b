"""Modules as somebody else may write them get integers by themselves, or an error that names what has none."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from nic_core.errors import BadWeights
from nic_latent.integers.fixed import Fixed
from nic_nn.integers.builder import Builder
from nic_nn.integers.draft import Draft, Widths
from nic_nn.testing import filled, integer_error
from torch import Tensor, nn

CHANNELS = 12


class Squeeze(nn.Module):
    """A residual block with gated channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1), nn.Sigmoid())
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor, strength: float = 1.0) -> Tensor:
        first, second = self.first(x).chunk(2, dim=1)
        y = self.second(F.gelu(first) * torch.sigmoid(second))
        return F.leaky_relu(x, 0.2) + self.gain * (y * self.gate(y))


class Branches(nn.Module):
    """Branches over one input, joined, and a norm whose channels are last."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Squeeze(channels) for _ in range(2))
        self.norm = nn.LayerNorm(2 * channels)
        self.mix = nn.Linear(2 * channels, channels)
        self.offset = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([block(x) for block in self.blocks], dim=1)
        x = self.mix(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        low, high = x[:, :5], x[:, 5:]
        x = torch.cat((high.tanh(), low / 2, -low), 1)[:, : self.offset.shape[1]]
        x = x - self.offset
        x += 0.25
        return 1 - F.relu(x) + x.mean((2, 3), keepdim=True)


class Two(nn.Module):
    """Called with two values."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x * y - y


class Halved(nn.Module):
    """Says its form itself."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.flip(x, (1,)) / 2

    def integer_form(self, build: Draft, inputs: tuple[int, ...], name: str) -> int:
        number = build.joined(inputs)
        channels = range(build.values[number].values.shape[-1])
        flipped = build.joined(tuple(build.take(number, i, i + 1) for i in reversed(channels)))
        return build.affine(flipped, np.full(len(channels), 0.5))


class Asking(nn.Module):
    """Asks about values."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Sorting(nn.Module):
    """Calls what has no form."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sort(x, 1)[0]


class LeftLinear(nn.Module):
    """Applies to rows what others apply to channels."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class Louder(nn.Conv2d):
    """A convolution that does something else as well."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(super().forward(x))


def numbers(channels: int = CHANNELS, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (2, 8, 8, channels))


@pytest.mark.parametrize("kind", [Squeeze, Branches])
def test_plain_modules(kind):
    module = filled(kind(CHANNELS))
    assert integer_error(module, numbers()) < 1e-3
    assert integer_error(module, numbers(4), numbers(8, seed=1)) < 1e-3
    assert integer_error(nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 1), module), numbers()) < 1e-3


def test_two_inputs_are_two_arguments():
    x, y = (Fixed.of(numbers(seed=seed), 12) for seed in (0, 1))
    build = Builder(Widths(), (x, y))
    build.emit(Two(), (0, 1), "two")
    expected = x.numbers * y.numbers - y.numbers
    assert np.abs(build.net()(x, y).numbers - expected).max() < 1e-6


def test_a_module_may_say_its_form_itself():
    assert integer_error(nn.Sequential(Halved(), nn.ReLU()), numbers()) < 1e-4


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Asking(), "cannot be followed.*integer_form"),
        (nn.Sequential(Sorting()), "net.0.* calls sort"),
        (LeftLinear(), "net.linear has its channels elsewhere"),
        (Louder(CHANNELS, 4, 1), "calls conv2d|cannot be followed"),
        (nn.Sequential(nn.Sequential(nn.Tanh(), nn.Softplus())), "net.0.1.*softplus"),
        (Two(), "takes 2 values, not 1"),
    ],
)
def test_what_has_no_form_is_named(module, words):
    build = Builder(Widths(), (Fixed.of(numbers(), 12),))
    with pytest.raises(BadWeights, match=words):
        build.emit(module, (0,), "net")
