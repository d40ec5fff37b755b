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
                at_y, at_z = (_places(latent, seen, height) for latent in found)
                search = _Search(objective.within(seen), part.moved(-seen.x, -seen.y), effort)
                found[0][at_y], found[1][at_z] = search.run((found[0][at_y], found[1][at_z]), count, enough)
        if count.done < count.total:
            progress.note(f"the search was ended at step {count.done} of {count.total}: the best so far is kept")
            progress.report(REFINING, count.total, count.total)
    if len(parts) > 1 and objective.coded(*found) > objective.coded(y, z):
        return y, z
    return found


@dataclass(frozen=True)
class _Search:
    """The search in one window. free: the part of it, in pixels, whose latents may change."""

    objective: Objective
    free: Area
    effort: Effort

    def run(self, start: Latents, count: progress.Count, enough: Callable[[], bool]) -> Latents:
        """Return the cheapest latents on the way down from some, which count among them."""
        best, least = start, self.objective.coded(*start)
        y, z = (latent.float().clone().requires_grad_() for latent in start)
        y_mask, z_mask = (self._mask(latent) for latent in start)
        curvature = self.objective.curved(start[0], torch.Generator().manual_seed(SEED))
        y_adam, z_adam = (Adam(latent, self.effort.momentum, self.effort.damping) for latent in start)
        rounding = Relaxed(self.effort.sharpness)
        for step in range(1, self.effort.steps + 1):
            y_rate, z_rate = self.effort.rates_at((step - 1) / self.effort.steps)
            y_gradient, z_gradient = torch.autograd.grad(self.objective.relaxed(y, z, rounding, curvature), (y, z))
            with torch.no_grad():
                y -= y_rate * y_adam.direction(y_gradient * y_mask)
                z -= z_rate * z_adam.direction(z_gradient * z_mask)
            count.add(1)
            ends = enough()
            if ends or self.effort.looks_after(step):
                coded = self.objective.coded(y, z)
                if coded < least:
                    best, least = (y.detach().clone(), z.detach().clone()), coded
            if ends:
                break
        return best

    def _mask(self, latent: Tensor) -> Tensor:
        """Return 1 for the latents that may change and 0 for others."""
        mask = torch.zeros_like(latent[:1, :1])
        mask[_places(latent, self.free, self.objective.x.shape[2])] = 1
        return mask


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
