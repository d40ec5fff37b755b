"""What an effort means: how long the latents of a picture are searched for, and how."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """The schedule of a search.

    steps: of gradient descent. rate: how far a value of y moves in a step at first, in steps of quantisation, times the
    root of the steps; it falls as a cosine does. reach: twice as far as a value of z moves in all steps together.
    sharpness: of rounding, see `relaxation.Relaxed`. momentum: of Adam's mean and square. damping: its epsilon, in
    bits. looks: how often what is found is coded.

    The values are those that gave most on crops of Kodak's pictures with mini, in 10 to 100 steps, of which the last
    sixty gave 0.1 % more.
    """

    steps: int
    rate: float = 0.22
    reach: float = 0.45
    sharpness: float = 8.0
    momentum: tuple[float, float] = (0.8, 0.95)
    damping: float = 0.3
    looks: int = 8

    def rates_at(self, done: float) -> tuple[float, float]:
        """Return how far values of y and z move when a share of the steps is done."""
        falling = 0.51 + 0.49 * math.cos(math.pi * done)
        return self.rate / math.sqrt(self.steps) * falling, self.reach / self.steps * falling

    def looks_after(self, step: int) -> bool:
        """Whether the latents are coded after a step, counted from 1; they are after the last."""
        return step * self.looks // self.steps > (step - 1) * self.looks // self.steps


STEPS = (5, 7, 10, 15, 22, 33, 50, 75, 110)
"""Of the efforts from 1 on, each about half as many again as the one before."""


def effort_of(number: int) -> Effort:
    """Return the schedule of an effort from 1 to 9."""
    return Effort(STEPS[number - 1])
