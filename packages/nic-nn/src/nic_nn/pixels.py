"""From pixels to tensors and back."""

import numpy as np
import torch
from nic_core.format.container import Header
from nic_core.format.tiling import Area
from torch import Tensor


def to_tensor(pixels: np.ndarray, stride: int, device: torch.device, channels: int = 3) -> Tensor:
    """Return pixels (H, W, 1 or `channels`), or (N, ...), as (1 or N, channels, H', W') in [0, 1].

    The edges are repeated to multiples of `stride`.
    """
    height, width, given = pixels.shape[-3:]
    batch = pixels.reshape(-1, height, width, given)
    padded = np.pad(batch, ((0, 0), (0, -height % stride), (0, -width % stride), (0, 0)), "edge")
    # int32, since torch's uint16 supports little more than being copied.
    x = torch.from_numpy(padded.astype(np.int32)).to(device).permute(0, 3, 1, 2).float() / np.iinfo(pixels.dtype).max
    return x.expand(-1, channels, -1, -1).contiguous(memory_format=torch.channels_last)


def to_pixels(x_hat: Tensor, cut: Area, like: Header) -> np.ndarray:
    """Return the cut of a synthesised picture (1, 1 or 3, H', W') as (h, w, C), in the header's channels and depth."""
    x_hat = x_hat[..., cut.y : cut.bottom, cut.x : cut.right].float().clamp(0, 1)
    x_hat = x_hat.mean(1, keepdim=True) if like.channels == 1 else x_hat.expand(-1, 3, -1, -1)
    dtype = np.uint16 if like.bit_depth == 16 else np.uint8
    scaled = torch.round(x_hat[0].permute(1, 2, 0) * np.iinfo(dtype).max)
    return np.ascontiguousarray(scaled.to(torch.int32).cpu().numpy().astype(dtype))
