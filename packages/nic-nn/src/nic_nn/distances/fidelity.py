"""PSNR and MS-SSIM: how near a decoded picture is to the original, as validation measures it."""

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_SIDE = 161
"""Pixels on the short side that MS-SSIM needs, for its five scales."""


def fidelity(x_hat: Tensor, x: Tensor) -> dict[str, float]:
    """Return "psnr" (dB), and "ms-ssim" where the short side has `LEAST_SIDE` pixels; the means over the pictures.

    x_hat, x: (N, C, H, W) in [0, 1], float.
    """
    mse = F.mse_loss(x_hat, x, reduction="none").flatten(1).mean(1).clamp(min=1e-10)
    found = {"psnr": float((-10 * torch.log10(mse)).mean())}
    if min(x.shape[2:]) >= LEAST_SIDE:
        found["ms-ssim"] = float(ms_ssim(x_hat, x).mean())
    return found


def ms_ssim(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the MS-SSIM of each picture (N,), in float32 under mixed precision too; x_hat, x: as of `fidelity`."""
    from pytorch_msssim import ms_ssim as computed  # an optional dependency

    # Variances are differences of nearly equal numbers, which bfloat16 would make negative.
    with torch.autocast(x.device.type, enabled=False):
        return computed(x_hat.float(), x, data_range=1.0, size_average=False)
