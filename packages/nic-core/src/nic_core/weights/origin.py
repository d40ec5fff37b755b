"""What a checkpoint's name tells of it, and the quality that a trade-off stands for."""

import math
import os
import re
from pathlib import PurePath

LAMBDAS = (0.0008, 0.05)
"""The trade-offs, weights of 255^2 MSE against a bit per pixel, between which qualities lie from 1 to 100."""
MS_SSIM_TO_MSE = 1300
"""About what a weight of 1 - MS-SSIM is divided by for that of 255^2 MSE, by the pairs that CompressAI trains."""
BEND = 0.05
"""The share of that range, at either end, in which qualities bend to stay within 1 and 100 without ever being equal."""
NAMED = re.compile(
    r"(?<![a-z])(?:(?:lambda|lmbda|lam)[ _=-]?(\d+(?:\.\d+)?(?:e-?\d+)?)|beta[ _=-]?(\d+\.\d+))", re.IGNORECASE
)
"""A lambda in a name, after a word that says so; after "beta" with a point, since there are beta versions."""
PLAIN = re.compile(r"\d+\.\d+")
"""A name that is a lambda: one with a point, since whole numbers are steps and epochs as well."""
SUFFIX = re.compile(r"(\.(pth|pt|ckpt|tar|zip|index|safetensors))+$", re.IGNORECASE)
FOLDERS = 2
"""How many folders above a checkpoint are looked at, as in 0.3/ckpttars/checkpoint_best.pth.tar."""


def lambda_in(path: str | os.PathLike[str]) -> float | None:
    """Return the lambda that a checkpoint's name, or that of a folder above it, tells; None where none does.

    It is a number after "lambda", "lmbda", "lam" or "beta", or a whole name such as "0.0035" or "0.3.pth.tar".
    """
    for part in reversed(PurePath(path).parts[-1 - FOLDERS :]):
        name = SUFFIX.sub("", part)
        if found := NAMED.search(name):
            return _positive(found[1] or found[2])
        if PLAIN.fullmatch(name):
            return _positive(name)
    return None


def stem_of(path: str | os.PathLike[str]) -> str:
    """Return a file's name without its suffix, or all of those that checkpoints have: that of a.pth.tar is "a"."""
    name = PurePath(path).name
    return SUFFIX.sub("", name) if SUFFIX.search(name) else PurePath(path).stem


def _positive(text: str) -> float | None:
    value = float(text)
    return value if 0 < value < 1e12 else None


def quality_of(tradeoff: float) -> float:
    """Return the quality of single-rate weights: 1 to 100, in the order of their rates.

    It rises with the logarithm of the trade-off from 1 at 0.0008 to 100 at 0.05, but bends near both ends, so that
    trade-offs beyond have places, too. ValueError for one that is not above 0.
    """
    if not 0 < tradeoff < math.inf:
        raise ValueError(f"a trade-off is a number above 0, not {tradeoff}")
    low, high = LAMBDAS
    share = math.log(tradeoff / low) / math.log(high / low)
    if share < BEND:
        share = BEND * math.exp(share / BEND - 1)
    elif share > 1 - BEND:
        share = 1 - BEND * math.exp((1 - share) / BEND - 1)
    return round(1 + 99 * share, 1 if BEND < share < 1 - BEND else 3)
