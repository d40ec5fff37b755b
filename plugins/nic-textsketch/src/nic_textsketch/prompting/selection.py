"""Which candidate is nearest to the original."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from nic_core.errors import NicError
from nic_nn.distances.lpips import load_lpips, lpips
from PIL import Image
from torch import Tensor

from nic_textsketch.prompting.clip import Clip

TITLES = {"clip": "CLIP similarity", "lpips": "LPIPS", "mse": "MSE"}
METRICS = tuple(TITLES)
"""Cosine of CLIP's features, higher being nearer; the LPIPS distance; the mean squared error of values in [0, 1]."""


@dataclass(frozen=True)
class Score:
    """How near a candidate is. index: which, from 0. metric, value: see `METRICS`."""

    index: int
    metric: str
    value: float

    def better_than(self, other: "Score | None") -> bool:
        """Whether this is nearer than another of the same metric; any number is, than None, and NaN than nothing."""
        if other is None:
            return not math.isnan(self.value)
        return self.value > other.value if self.metric == "clip" else self.value < other.value


class Selection:
    """The nearest of candidates that come one after another, none of which is kept.

    metric: one of `METRICS`; "clip" needs `clip`, the others compute on `device`. original: what the candidates are
    compared with, of their size. The first of several that are equally near is chosen, and NaN never.

    NicError where LPIPS cannot be had.

    str() of it is a line for the user: "candidate 2 of 4: CLIP similarity 0.813", counting from 1.
    """

    def __init__(
        self,
        metric: str,
        original: Image.Image,
        clip: Clip | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if metric == "clip" and clip is None:
            raise ValueError("the metric clip needs a CLIP model")
        self.metric, self.device = metric, device
        if metric == "lpips":
            load_lpips(device=device)  # what is missing is said before the candidates are made
        self._clip = clip if metric == "clip" else None
        self._original = self._seen(original)
        self._best: Score | None = None
        self._candidates = 0

    def add(self, candidate: Image.Image) -> None:
        """Compare the next candidate, a picture of the original's size."""
        x, x_hat = self._original, self._seen(candidate)
        if self.metric == "clip":
            value = (x * x_hat).sum()
        else:
            value = lpips(x_hat, x) if self.metric == "lpips" else (x_hat - x).square().mean()
        score = Score(self._candidates, self.metric, value.item())
        self._candidates += 1
        if score.better_than(self._best):
            self._best = score

    @property
    def best(self) -> Score:
        """The score of the nearest; NicError where no candidate has any."""
        if self._best is None:
            raise NicError(f"none of {self._candidates} candidates can be compared by {TITLES[self.metric]}")
        return self._best

    def __str__(self) -> str:
        """Say which is the nearest."""
        return f"candidate {self.best.index + 1} of {self._candidates}: {TITLES[self.metric]} {self.best.value:#.3g}"

    def _seen(self, picture: Image.Image) -> Tensor:
        """Return what is compared of a picture: CLIP's features, or the values in [0, 1], (1, 3, H, W)."""
        if self._clip:
            return self._clip.image_features([picture])[0]
        pixels = torch.from_numpy(np.array(picture.convert("RGB"))).to(self.device)
        return pixels.permute(2, 0, 1)[None].float() / 255
