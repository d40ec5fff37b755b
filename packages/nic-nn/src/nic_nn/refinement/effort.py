"""What an effort means: how long the latents of a picture are searched for, and how."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """The schedule of a search.

    steps: of gradient descent. rate: how far a latent moves in a step, at first, in steps of quantisation; it falls as a
    cosine does. sharpness: of rounding, at first and in the end, see `relaxation.Relaxed`.
    momentum: of Adam's mean and square. damping: its epsilon, in bits. looks: how often what is found is coded.
    """

    steps: int
    rate: float = 0.03
    sharpness: tuple[float, float] = (6.0, 6.0)
    momentum: tuple[float, float] = (0.9, 0.99)
    damping: float = 0.1
    looks: int = 8

    def rate_at(self, done: float) -> float:
        """Return the rate when a share of the steps is done."""
        return self.rate * (0.51 + 0.49 * math.cos(math.pi * done))

    def sharpness_at(self, done: float) -> float:
        """Return the sharpness when a share of the steps is done."""
        first, last = self.sharpness
        return first * (last / first) ** done

    def looks_after(self, step: int) -> bool:
        """Whether the latents are coded after a step, counted from 1; they are after the last."""
        return step * self.looks // self.steps > (step - 1) * self.looks // self.steps


STEPS = (10, 17, 28, 48, 80, 134, 226, 380, 640)
"""Of the efforts from 1 on, each about 1.7 times the one before."""


def effort_of(number: int) -> Effort:
    """Return the schedule of an effort from 1 to 9."""
    return Effort(STEPS[number - 1])
