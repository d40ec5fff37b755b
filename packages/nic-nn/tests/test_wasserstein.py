"""The distortion that compares local statistics: near where textures are alike, far where they are missing."""

import pytest
import torch
from nic_nn.distances.wasserstein import ORIENTATIONS, band_pass, wasserstein
from torch import Tensor


def noise(seed: int, side: int = 96) -> Tensor:
    """Return a picture of gray noise, as a texture."""
    random = torch.Generator().manual_seed(seed)
    return (0.5 + 0.1 * torch.randn(1, 1, side, side, generator=random)).expand(1, 3, side, side)


def test_filters_are_oriented_and_have_no_mean() -> None:
    filters = band_pass()
    assert filters.shape == (2 * ORIENTATIONS, 1, 9, 9)
    assert filters.sum((2, 3)).abs().max() < 1e-6
    torch.testing.assert_close(filters.square().sum((1, 2, 3)), torch.ones(2 * ORIENTATIONS))
    stripes = torch.cos(torch.arange(64.0) * torch.pi / 2).expand(1, 1, 64, 64)  # vertical, four pixels apart
    energy = torch.nn.functional.conv2d(stripes, filters).square().mean((0, 2, 3)).reshape(ORIENTATIONS, 2).sum(1)
    assert energy.argmax() == 0
    assert energy[0] > 10 * energy[2]


def test_other_grain_is_nearer_than_none() -> None:
    """By MSE it is twice as far."""
    x, grain, smooth = noise(0), noise(1), torch.full((1, 3, 96, 96), 0.5)
    assert (grain - x).square().mean() > 1.5 * (smooth - x).square().mean()
    assert (wasserstein(grain, x) < 0.7 * wasserstein(smooth, x)).all()
    assert not wasserstein(x, x).any()


def test_pictures_are_told_apart_and_slopes_are_finite() -> None:
    x = torch.cat([noise(0), torch.full((1, 3, 96, 96), 0.5)])
    x_hat = torch.full((2, 3, 96, 96), 0.5, requires_grad=True)
    found = wasserstein(x_hat, x)
    assert found.shape == (2, 4)
    assert (found[0] > 0).all() and not found[1].any()
    found.sum().backward()
    assert x_hat.grad is not None and x_hat.grad.isfinite().all()
    with pytest.raises(ValueError, match="4 scales need pictures of 64 pixels"):
        wasserstein(noise(0, 48), noise(1, 48))
