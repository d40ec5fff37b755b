"""Red and blue less green: channels of photographs are much alike, and differences of equal channels are zero."""

import numpy as np


def separated(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Return samples (C, H, W) of pixels (H, W, C), int32; differences wrap around within their bits."""
    samples = pixels.astype(np.int32).transpose(2, 0, 1)
    if len(samples) == 1:
        return samples
    red, green, blue = samples
    half, mask = 1 << (bits - 1), (1 << bits) - 1
    return np.stack([green, (red - green + half) & mask, (blue - green + half) & mask])


def joined(samples: np.ndarray, bits: int) -> np.ndarray:
    """Return the pixels (H, W, C) of samples (C, H, W): the reverse of `separated`."""
    if len(samples) == 3:
        green, red, blue = samples
        half, mask = 1 << (bits - 1), (1 << bits) - 1
        samples = np.stack([(red - half + green) & mask, green, (blue - half + green) & mask])
    return np.ascontiguousarray(samples.transpose(1, 2, 0)).astype(np.uint8 if bits == 8 else np.uint16)
