"""Metrics that compare a decoded picture with its original, each from a well-kept library, loaded when first used."""

import math
from typing import Any

import numpy as np

from nic_eval.metrics.metric import Measure, auto_device

PSNR_CAP = 100.0
"""What identical pictures count as, in dB; a mean over infinity says nothing."""

SMALLEST_MS_SSIM = 161
"""Pixels that each side needs: MS-SSIM halves four times and then looks through a window of 11."""

SMALLEST_LPIPS = 31
"""Pixels that each side needs: AlexNet's first convolution takes every fourth, and two poolings of 3 follow."""


def psnr(original: np.ndarray, decoded: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB, from the mean squared error over all pixels and channels."""
    error = float(np.mean(np.square(original.astype(np.float32) - decoded.astype(np.float32)), dtype=np.float64))
    return min(10 * math.log10(255**2 / error), PSNR_CAP) if error else PSNR_CAP


def ms_ssim() -> Measure:
    """Return MS-SSIM, in [0, 1]."""
    from pytorch_msssim import ms_ssim  # torch is slow to import

    def measure(original: np.ndarray, decoded: np.ndarray) -> float:
        return float(ms_ssim(_tensor(original), _tensor(decoded), data_range=255.0))

    return measure


def lpips(unit: bool = False) -> Measure:
    """Return LPIPS, version 0.1 with AlexNet.

    unit: whether the network is given values in [0, 1], as TACO's authors do, and not in [-1, 1], for which it was
    made: distances come out smaller then.
    """
    import lpips  # an optional dependency
    import torch

    network = lpips.LPIPS(net="alex", pretrained=True, pnet_rand=False, verbose=False).eval().to(auto_device())

    def measure(original: np.ndarray, decoded: np.ndarray) -> float:
        with torch.inference_mode():
            return float(network(_tensor(original) / 255, _tensor(decoded) / 255, normalize=not unit))

    return measure


def dists() -> Measure:
    """Return DISTS."""
    import torch
    from DISTS_pytorch import DISTS  # an optional dependency

    network = DISTS(load_weights=True).eval().to(auto_device())

    def measure(original: np.ndarray, decoded: np.ndarray) -> float:
        with torch.inference_mode():
            return float(network(_tensor(original) / 255, _tensor(decoded) / 255))

    return measure


def clip() -> Measure:
    """Return the cosine of CLIP's embeddings."""
    import open_clip  # an optional dependency
    import torch
    from PIL import Image

    # OpenAI's weights were trained with QuickGELU, which the name of the model does not say.
    network, _, prepare = open_clip.create_model_and_transforms(
        "ViT-B-32", pretrained="openai", force_quick_gelu=True, device=auto_device()
    )
    network.eval()

    def embedding(pixels: np.ndarray) -> Any:
        return network.encode_image(prepare(Image.fromarray(pixels))[None].to(auto_device()), normalize=True)

    def measure(original: np.ndarray, decoded: np.ndarray) -> float:
        with torch.inference_mode():
            return float((embedding(original) * embedding(decoded)).sum())

    return measure


def _tensor(pixels: np.ndarray) -> Any:
    """Return uint8 (H, W, 3) as float (1, 3, H, W), 0 to 255."""
    import torch

    return torch.from_numpy(pixels.copy()).to(auto_device()).permute(2, 0, 1)[None].float()
