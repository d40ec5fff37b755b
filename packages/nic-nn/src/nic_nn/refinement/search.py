"""Gradient descent on the latents of one picture, from those that the analysis transform gives to cheaper ones.

Yang, Bamler and Mandt, Improving Inference for Neural Image Compression, NeurIPS 2020, section 3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from nic_core import progress
from nic_core.format.tiling import Area, Tiling
from torch import Tensor

from nic_nn.refinement.effort import Effort
from nic_nn.refinement.objective import Objective
from nic_nn.refinement.relaxation import Relaxed

REFINING = "refining the latents"
"""What is reported to `nic_core.progress`."""
SEED = 0

Latents = tuple[Tensor, Tensor]
"""y and z."""


@dataclass(frozen=True)
class Windows:
    """In what parts a picture is searched, one after another: gradients take the memory of a part.

    side: of a part, in pixels, a multiple of the model's stride. halo: pixels around it that it is seen with.
    """

    side: int
    halo: int

    def of(self, height: int, width: int) -> list[tuple[Area, Area]]:
        """Return each part of a padded picture, and what it is seen with."""
        whole = Area(0, 0, width, height)
        parts = Tiling(self.side, self.side).areas(width, height)
        return [(part, part.grown(self.halo).within(whole)) for part in parts]


def refined(objective: Objective, y: Tensor, z: Tensor, effort: Effort, windows: Windows) -> Latents:
    """Return y and z, (1, C, h, w) each, that cost no more than those given as they are coded, and mostly less.

    Ends early, with the best so far, where `nic_core.progress.improving` says so. The same on one machine, with as many
    threads, whenever the inputs are.
    """
    height, width = objective.x.shape[2:]
    parts = windows.of(height, width)
    count = progress.Count(REFINING, effort.steps * len(parts))
    with torch.inference_mode(False), torch.enable_grad(), progress.improving() as enough:
        found = y.clone(), z.clone()
        for part, seen in parts:
            if not enough():
                places = [_places(latent, seen, height) for latent in found]
                start = tuple(latent[place] for latent, place in zip(found, places, strict=True))
                free = part.moved(-seen.x, -seen.y)
                better = _descended(objective.within(seen), start, free, effort, count, enough)
                for latent, place, new in zip(found, places, better, strict=True):
                    latent[place] = new
        if count.done < count.total:
            progress.note(f"the search was ended at step {count.done} of {count.total}: the best so far is kept")
            progress.report(REFINING, count.total, count.total)
    if len(parts) > 1 and objective.coded(*found) > objective.coded(y, z):
        return y, z
    return found


def _descended(
    objective: Objective,
    start: Latents,
    free: Area,
    effort: Effort,
    count: progress.Count,
    enough: Callable[[], bool],
) -> Latents:
    """Return the cheapest latents on the way down from some, which count among them. free: where they may change."""
    best, least = start, objective.coded(*start)
    now = tuple(latent.float().clone().requires_grad_() for latent in start)
    inside = [_mask(latent, free, objective.x.shape[2]) for latent in start]
    curvature = objective.curved(start[0], torch.Generator().manual_seed(SEED))
    adams = [Adam(latent, effort.momentum, effort.damping) for latent in now]
    for step in range(1, effort.steps + 1):
        done = (step - 1) / effort.steps
        gradients = torch.autograd.grad(objective.relaxed(*now, Relaxed(effort.sharpness), curvature), now)
        with torch.no_grad():
            for latent, rate, adam, gradient, mask in zip(now, effort.rates_at(done), adams, gradients, inside, strict=True):
                latent -= rate * adam.direction(gradient * mask)
        count.add(1)
        ends = enough()
        if ends or effort.looks_after(step):
            coded = objective.coded(*now)
            if coded < least:
                best, least = tuple(latent.detach().clone() for latent in now), coded
        if ends:
            break
    return best


class Adam:
    """The direction of Adam's steps (Kingma and Ba, ICLR 2015): about 1 long for each value.

    momentum: its two betas. damping: its epsilon, in the unit of gradients.

    torch.optim brings torch's compiler into the process, which takes longer than a search of a few steps.
    """

    def __init__(self, like: Tensor, momentum: tuple[float, float], damping: float) -> None:
        self._momentum, self._damping, self._steps = momentum, damping, 0
        self._mean, self._square = torch.zeros_like(like), torch.zeros_like(like)

    def direction(self, gradient: Tensor) -> Tensor:
        """Return where to go against, after one more gradient."""
        self._steps += 1
        first, second = self._momentum
        self._mean.lerp_(gradient, 1 - first)
        self._square.lerp_(gradient.square(), 1 - second)
        mean, square = self._mean / (1 - first**self._steps), self._square / (1 - second**self._steps)
        return mean / (square.sqrt() + self._damping)


def _places(latent: Tensor, area: Area, height: int) -> tuple[Any, ...]:
    """Return the index of an area's latents; height: of the padded picture in pixels."""
    size = height // latent.shape[2]
    return ..., slice(area.y // size, area.bottom // size), slice(area.x // size, area.right // size)


def _mask(latent: Tensor, area: Area, height: int) -> Tensor:
    """Return 1 for the latents of an area and 0 for others."""
    mask = torch.zeros_like(latent[:1, :1])
    mask[_places(latent, area, height)] = 1
    return mask
