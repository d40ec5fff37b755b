"""What latents cost on average where each is rounded at random to one of its two neighbours, which has gradients.

A value v between integers n and n + 1 counts as n + 1 with a probability w that rises with v - n. Its bits are then the
mean of the two integers' own, and the squared error is that of the mean n + w and its variance w (1 - w), as far as the
synthesis is linear. So the gradient of w compares the two costs, however steep the likelihood is between them; a value
in the middle is cheap by neither, and what is found suffers little from being rounded in the end.

Stochastic Gumbel annealing (Yang, Bamler and Mandt, NeurIPS 2020, section 3.2) has the same mean and draws samples of
it, which takes many more steps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from nic_latent.orders.context import Params, Scan, drive
from torch import Tensor

from nic_nn.entropy.latent import Estimate, Prior, full_precision, round_ste
from nic_nn.model import NATS_TO_BITS, LatentModel


@dataclass(frozen=True)
class Relaxed:
    """Rounding as a curve through the integers.

    sharpness: 0 is a straight line, w = v - n; more makes it steeper in the middle: w is a tanh of sharpness times the
    distance from there.
    """

    sharpness: float

    def __call__(self, values: Tensor) -> Tensor:
        """Return n + w of values."""
        middle = values.detach().floor() + 0.5
        return middle + torch.tanh(self.sharpness * (values - middle)) / (2 * math.tanh(self.sharpness / 2))


def between(log_likelihood: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """Return the mean of the log-likelihoods of the integers beside values, weighted by how near they are."""
    below = values.detach().floor()
    return torch.lerp(log_likelihood(below), log_likelihood(below + 1), values - below)


class Between:
    """A prior for `Estimate` whose log-likelihoods are those of `between`."""

    def __init__(self, prior: Prior) -> None:
        self._prior = prior

    def scale_of(self, index: Tensor) -> Tensor:
        """See `Prior`."""
        return self._prior.scale_of(index)

    def log_likelihood(self, residual: Tensor, scale: Tensor) -> Tensor:
        """See `Prior`."""
        return between(lambda values: self._prior.log_likelihood(values, scale), residual)


class Measure(Estimate):
    """An estimate that comes nearer to what is coded in a `Scan`: y is rounded from means there, too.

    These take y_hat, for which they are found twice: from y itself, and from what it is rounded to with the first ones.
    """

    def __call__(self, group: Params | Scan) -> Tensor:
        """See `Estimate`."""
        if isinstance(group, Params):
            return super().__call__(group)
        with torch.no_grad():
            first = full_precision(group.whole(self._y).mean)
        y_hat = self._quantise(self._y - first) + first
        self._measure(group.whole(y_hat))
        return y_hat


@dataclass(frozen=True)
class Expected:
    """What relaxed latents cost: bits of both, y_hat, and the variance w (1 - w) of each of its values."""

    bits: Tensor
    y_hat: Tensor
    variance: Tensor


def expected(model: LatentModel, y: Tensor, z: Tensor, rounding: Relaxed) -> Expected:
    """Return what y costs where it is rounded at random, and z to the nearest with gradients passed straight through.

    z decides all parameters of y at once: between two roundings these would be better than after either.
    """
    bottleneck = model.entropy_bottleneck
    with torch.autocast(y.device.type, enabled=False):
        z_hat = round_ste(full_precision(z) - bottleneck.medians) + bottleneck.medians
        nats = -bottleneck.log_likelihood(z_hat).sum()
    measure = Measure(y, Between(model.gaussian), quantise=rounding)
    y_hat = torch.cat(list(drive(model.context(model.h_s(z_hat)), measure)), 1)
    share = measure.residual - measure.residual.detach().floor()
    bits = NATS_TO_BITS * (nats - measure.log_likelihood.sum())
    return Expected(bits, y_hat, share * (1 - share))


def curvature(synthesise: Callable[[Tensor], Tensor], y_hat: Tensor, generator: torch.Generator) -> Tensor:
    """Return what the squared error of a picture grows by, on average, for a unit of a latent's variance.

    y_hat: (1, C, h, w). Returns (1, C, 1, 1): the squared norm of each column of the synthesis's Jacobian, averaged
    over positions, by one random projection (Hutchinson's estimate).
    """
    y_hat = y_hat.detach().clone().requires_grad_()
    x_hat = synthesise(y_hat)
    signs = 2.0 * torch.randint(0, 2, x_hat.shape, generator=generator).to(x_hat.device) - 1
    (projected,) = torch.autograd.grad(x_hat, y_hat, signs.to(x_hat.dtype))
    return projected.float().square().mean((2, 3), keepdim=True)
