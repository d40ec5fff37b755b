"""Encoding to a rate or to a fidelity: a search over qualities that knows no codec, so that any encoder can use it."""

import logging
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal

import numpy as np

from nic_core.errors import BadOption, TargetUnreachable
from nic_core.pictures.picture import RowPicture
from nic_core.pictures.strips import bands

logger = logging.getLogger("nic")

UNITS = {"bpp": "bpp", "size": "bytes", "psnr": "dB"}
"""The kinds of targets, and what each is measured in."""

MULTIPLES = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}

MOST_TRIALS = 10
"""Encodes that one search may cost: about where the sizes of neighbouring hundredths of a quality are told apart."""


@dataclass(frozen=True)
class Target:
    """What a file shall come to.

    kind: "bpp" (bits of the whole file per pixel) or "size" (bytes of the whole file), which is never exceeded; or
    "psnr" (dB over all samples but alpha, with the picture's own peak), which is at least reached.
    value: positive and finite.

    BadOption where it is not so.
    """

    kind: Literal["bpp", "size", "psnr"]
    value: float

    def __post_init__(self) -> None:
        """Check kind and value."""
        if self.kind not in UNITS:
            raise BadOption(f"a target is one of {', '.join(UNITS)}, not {self.kind!r}")
        if not (isinstance(self.value, Real) and 0 < self.value < math.inf):  # also refuses NaN
            raise BadOption(f"a target of {UNITS[self.kind]} must be a positive number, not {self.value!r}")

    def __str__(self) -> str:
        """Return value and unit."""
        return self.text(self.value)

    @classmethod
    def parse(cls, kind: Literal["bpp", "size", "psnr"], text: str) -> "Target":
        """Return the target that a text states; sizes may end in kB, MB (1000), KiB, MiB (1024). BadOption.

        The B may be left out, and capitals make no difference.
        """
        suffixes = r"\s*([kmg]i?)?b?" if kind == "size" else "()"
        number, suffix = re.fullmatch(f"(.*?){suffixes}", text, re.DOTALL | re.IGNORECASE).groups()  # type: ignore[union-attr]
        try:
            return cls(kind, float(number) * MULTIPLES[(suffix or "").lower()])
        except ValueError as error:
            form = "a number, or one with kB, MB, KiB or MiB" if kind == "size" else "a number"
            raise BadOption(f"a target of {UNITS[kind]} must be {form}, not {text!r}") from error

    @property
    def limits_rate(self) -> bool:
        """Whether it is an upper limit of the rate; otherwise it is a lower limit of the fidelity."""
        return self.kind != "psnr"

    def met_by(self, reached: float) -> bool:
        """Whether what a file comes to is on the right side."""
        return reached <= self.value if self.limits_rate else reached >= self.value

    def gap(self, reached: float) -> float:
        """Return how far above the target something lies, in what grows about evenly with quality: log rate, or dB."""
        if self.limits_rate:
            return math.log(reached / self.value)
        return max(-100.0, min(reached - self.value, 100.0))  # a lossless picture has an infinite PSNR

    def measure(self, data: bytes, picture: RowPicture, decode: Callable[[bytes], RowPicture]) -> float:
        """Return what a file of a picture comes to, in the target's unit; only a PSNR needs it decoded."""
        if self.kind == "size":
            return len(data)
        if self.kind == "bpp":
            return 8 * len(data) / (picture.width * picture.height)
        return psnr(picture, decode(data))

    def text(self, value: float) -> str:
        """Return a value with the target's unit."""
        return f"{value:.0f} bytes" if self.kind == "size" else f"{value:.6g} {UNITS[self.kind]}"


@dataclass(frozen=True)
class Trial:
    """One encode of a search: at which quality, the whole file, and what it comes to in the target's unit."""

    quality: float
    data: bytes
    reached: float


def search(attempt: Callable[[float], Trial], ladder: Sequence[float], target: Target) -> Trial:
    """Return the best trial that meets a target: of a rate the highest quality, of a PSNR the lowest.

    attempt: encodes at one of the ladder's qualities; the same quality must give the same file.
    ladder: qualities, rising, one at least: `range(1, 96)`, the points of several sets of weights, or a range in steps.
    What is reached should rise along it. Where it does so only nearly, another rung may be better than the returned
    one, which still meets the target.

    At most `MOST_TRIALS` attempts, so ladders of as many rungs are searched exactly. From the middle and the end that
    is needed the search closes in by interpolation; where one side stays, its gap is halved, so that the other moves
    too (the Illinois method; Dowell and Jarratt, BIT 11, 1971).

    Raises TargetUnreachable, which has the nearest trial.
    """
    tried: list[Trial] = []
    low, high = -1, len(ladder)  # the last rung known to lie below the target, and the first known to lie above
    low_gap = high_gap = 0.0
    rung = len(ladder) // 2
    was_below: bool | None = None
    while high - low > 1 and len(tried) < MOST_TRIALS:
        trial = attempt(ladder[rung])
        tried.append(trial)
        logger.info("trial %d: quality %g gives %s", len(tried), trial.quality, target.text(trial.reached))
        below = target.met_by(trial.reached) == target.limits_rate  # at the target, a rate is below and a PSNR above
        if below:
            low, low_gap = rung, target.gap(trial.reached)
            if was_below is True:
                high_gap /= 2
        else:
            high, high_gap = rung, target.gap(trial.reached)
            if was_below is False:
                low_gap /= 2
        was_below = below
        if low < 0:
            rung = 0
        elif high == len(ladder):
            rung = len(ladder) - 1
        else:
            guess = round(low + (high - low) * low_gap / (low_gap - high_gap))
            rung = min(max(guess, low + 1), high - 1)
    met = [trial for trial in tried if target.met_by(trial.reached)]
    if not met:
        raise _unreachable(tried, target)
    return (max if target.limits_rate else min)(met, key=lambda trial: trial.quality)


def _unreachable(tried: list[Trial], target: Target) -> TargetUnreachable:
    nearest = (min if target.limits_rate else max)(tried, key=lambda trial: trial.reached)
    what = "the smallest file" if target.limits_rate else "the best"
    says = f"{target} cannot be reached: {what}, at quality {nearest.quality:g}, has {target.text(nearest.reached)}"
    return TargetUnreachable(says, nearest)


def psnr(a: RowPicture, b: RowPicture) -> float:
    """Return the peak signal-to-noise ratio in dB over all samples but alpha; infinite where they are equal.

    The pictures have the same size, channels and bit depth, which gives the peak.
    """
    error = 0.0
    for first, decoded in bands(b.pixels):
        difference = a.pixels[first : first + len(decoded)].astype(np.float32) - decoded.astype(np.float32)
        error += float(np.sum(np.square(difference), dtype=np.float64))
    peak, error = np.iinfo(a.pixels.dtype).max, error / math.prod(a.pixels.shape)
    return 10 * math.log10(peak**2 / error) if error else math.inf
