"""deeplab2's policy of automatic augmentation (after Cubuk et al., CVPR 2019): colours and sharpness, never places.

A policy is a list of pairs of operations; each draw takes one pair, and each of its operations by chance. The
operations are Pillow's, which deeplab2 writes again, with its own reading of magnitudes.
"""

import random

import numpy as np
from nic_nn.training.augmentation import Policy
from PIL import Image, ImageEnhance, ImageOps

PAIRS = (
    (("sharpness", 0.4, 7), ("brightness", 0.2, 10)),
    (("equalize", 0.0, 9), ("contrast", 0.2, 10)),
    (("sharpness", 0.2, 9), ("color", 0.2, 9)),
    (("solarize", 0.2, 7), ("equalize", 0.6, 9)),
    (("sharpness", 0.2, 1), ("equalize", 0.2, 7)),
)
"""Operation, probability and magnitude, 0 to 10, of deeplab2's simple_classification_policy."""

MAGNITUDE: dict[Policy, float] = {
    "simple_classification_policy": 1.0,
    "simple_classification_policy_magnitude_scale_0.2": 0.2,
}
"""What magnitudes are multiplied with. A small one is a strong change: 0.1 + 0.18 times it is left of the original."""


def augmented(pixels: np.ndarray, policy: Policy, draw: random.Random) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 changed by one pair of a policy's operations, as the draw decides."""
    image = Image.fromarray(pixels)
    for name, probability, magnitude in draw.choice(PAIRS):
        if draw.random() < probability:
            image = operated(image, name, magnitude * MAGNITUDE[policy])
    return np.asarray(image)


def operated(image: Image.Image, name: str, magnitude: float) -> Image.Image:
    """Return a picture changed by one operation; ValueError for one that there is not."""
    kept = 0.1 + 0.18 * magnitude
    match name:
        case "sharpness":
            return ImageEnhance.Sharpness(image).enhance(kept)
        case "brightness":
            return ImageEnhance.Brightness(image).enhance(kept)
        case "color":
            return ImageEnhance.Color(image).enhance(kept)
        case "contrast":
            # deeplab2 means the mean gray, and takes a 256th of the number of pixels: white from 65280 pixels on.
            gray = min(image.width * image.height // 256, 255)
            return Image.blend(Image.new("RGB", image.size, (gray,) * 3), image, kept)
        case "solarize":
            return ImageOps.solarize(image, int(25.6 * magnitude))
        case "equalize":
            return ImageOps.equalize(image)
    raise ValueError(f"no operation {name}")
