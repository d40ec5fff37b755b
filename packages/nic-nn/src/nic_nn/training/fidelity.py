"""How near a decoded picture is to the original, as validation measures it."""

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
        from pytorch_msssim import ms_ssim  # an optional dependency

        found["ms-ssim"] = float(ms_ssim(x_hat, x, data_range=1.0))
    return found
