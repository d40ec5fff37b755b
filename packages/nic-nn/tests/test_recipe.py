"""What recipes share."""

import torch
from nic_nn.recipe import RateDistortion


def test_ms_ssim_is_computed_exactly_whatever_the_nets_are():
    """In bfloat16 the variances of flat regions would come out negative, and the similarity as anything."""
    recipe = RateDistortion("codec", metric="ms-ssim", crop=192, val_crop=192)
    flat = 0.9 + 0.01 * torch.rand(2, 1, 192, 192, generator=torch.Generator().manual_seed(0))
    x_hat = (flat + 0.005).to(torch.bfloat16)
    exact, _ = recipe.distortion(x_hat, flat)
    with torch.autocast("cpu", torch.bfloat16):
        distortion, shown = recipe.distortion(x_hat, flat)
    torch.testing.assert_close(distortion, exact)
    assert 0 <= distortion.min() <= distortion.max() <= 1
    torch.testing.assert_close(shown["ms-ssim"], 1 - exact.mean())
