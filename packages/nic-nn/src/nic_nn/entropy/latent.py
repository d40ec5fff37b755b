"""The partner of a context that measures, in training and evaluation; see `nic_latent.orders.context`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from nic_latent.orders.context import Nets, Params, Scan
from torch import Tensor, nn


class Prior(Protocol):
    """What probabilities of residuals y - mean are taken from, such as `nic_nn.entropy.priors.GaussianPrior`."""

    def scale_of(self, index: Tensor) -> Tensor:
        """Return the scale at a position of the ladder."""

    def log_likelihood(self, residual: Tensor, scale: Tensor) -> Tensor:
        """Return the log-probability, in nats, of each residual; shapes are equal."""


def nets_of(module: nn.Module) -> Nets:
    """Return a module's parts as the nets of an order, which then runs over tensors."""

    def run(name: str, *inputs: Tensor, parity: int | None = None) -> Tensor:  # of which all positions are computed
        # One memory format whatever the inputs': two runs must take the same kernels to get the same floats.
        joined = inputs[0] if len(inputs) == 1 else torch.cat(inputs, 1)
        return module.get_submodule(name)(joined.contiguous(memory_format=torch.channels_last))

    return run


def of(params: Params, y: Tensor) -> Tensor:
    """Return the group's part of a latent, shaped like the mean."""
    y = y if params.channels is None else y[:, params.channels]
    return y if params.at is None else y[..., params.at[0], params.at[1]]


def scales(params: Params, prior: Prior) -> Tensor:
    """Return standard deviations."""
    scale = full_precision(params.scale)
    return prior.scale_of(scale) if params.scale_is_index else scale


def mask(params: Params) -> Tensor | None:
    """Return the boolean (h, w) of the group's positions, None where it covers all."""
    if params.parity is None:
        return None
    height, width = params.mean.shape[-2:]
    row = torch.arange(height, device=params.mean.device)[:, None]
    column = torch.arange(width, device=params.mean.device)
    return (row + column) % 2 == params.parity


Quantiser = Callable[[Tensor], Tensor]


def full_precision(values: Tensor) -> Tensor:
    """Return values in float32, which probabilities need where the transforms run in less; in float64 if they are."""
    return values if values.dtype == torch.float64 else values.float()


def round_ste(values: Tensor) -> Tensor:
    """Round, passing gradients straight through."""
    return values + (values.round() - values).detach()


class Noise(Protocol):
    """Draws the additive noise that stands for rounding while probabilities are trained."""

    def __call__(self, like: Tensor) -> Tensor:
        """Return values uniform in [-0.5, 0.5) of the same shape, type and device."""


def uniform_noise(like: Tensor) -> Tensor:
    """Noise from torch's global generator."""
    return torch.rand_like(like) - 0.5


class Estimate:
    """Partner of a context that measures: quantises `y` and collects log-likelihoods.

    noise: in training, probabilities are taken at y - mean + noise (None: at the rounded values).
    quantise: what the context and the synthesis see of y - mean; straight-through rounding in most models.

    In a `Scan` they see y itself quantised, since its means need y_hat first: with noise where there is noise, as
    CompressAI trains such models, otherwise by `quantise`. Coding rounds y - mean there as everywhere; so there, and
    only there, the measured y_hat is another than the coded one.
    """

    def __init__(self, y: Tensor, prior: Prior, noise: Noise | None = None, quantise: Quantiser = round_ste) -> None:
        self._y, self._prior, self._noise, self._quantise = full_precision(y), prior, noise, quantise
        self._pieces: list[_Measured] = []

    def __call__(self, group: Params | Scan) -> Tensor:
        """Return the group of y_hat."""
        if isinstance(group, Params):
            return self._measure(group)
        y_hat = self._quantise(self._y) if self._noise is None else self._y + self._noise(self._y)
        self._measure(group.whole(y_hat))
        return y_hat

    def _measure(self, params: Params) -> Tensor:
        """Keep what the group's log-likelihoods are taken of, and return its values, rounded from the mean."""
        mean = full_precision(params.mean)
        residual = of(params, self._y) - mean
        rounded = self._quantise(residual)
        measured = rounded if self._noise is None else residual + self._noise(residual)
        inside = mask(params)
        piece = _Measured(params, measured, scales(params, self._prior), inside)
        if self._pieces and piece.completes(self._pieces[-1]):
            piece = piece.beside(self._pieces.pop())
        self._pieces.append(piece)
        y_hat = rounded + mean
        return y_hat if inside is None else y_hat * inside

    @property
    def log_likelihood(self) -> Tensor:
        """Log-probabilities in nats, shaped like y, once the context has ended."""
        # Of all groups at once: many small tensors take longer, and a checkerboard's passes would compute both colours.
        residual = torch.cat([piece.residual for piece in self._pieces], 1)
        scale = torch.cat([piece.scale for piece in self._pieces], 1)
        return self._inside(self._prior.log_likelihood(residual, scale))

    @property
    def residual(self) -> Tensor:
        """What these are taken of, shaped like y, and zero where they do not count."""
        return self._inside(torch.cat([piece.residual for piece in self._pieces], 1))

    def _inside(self, values: Tensor) -> Tensor:
        """Return values of all groups, zero where they do not count."""
        if all(piece.inside is None for piece in self._pieces):
            return values
        parts = values.split([piece.residual.shape[1] for piece in self._pieces], 1)
        masks = [1 if piece.inside is None else piece.inside for piece in self._pieces]
        return torch.cat([part * inside for part, inside in zip(parts, masks, strict=True)], 1)


@dataclass(frozen=True)
class _Measured:
    """What log-likelihoods are taken of: a group's residuals and scales; inside: where they count, None for all."""

    params: Params
    residual: Tensor
    scale: Tensor
    inside: Tensor | None

    def completes(self, other: "_Measured") -> bool:
        """Tell whether these are the other colour of the same channels' checkerboard."""
        return self.params.channels == other.params.channels and {self.params.parity, other.params.parity} == {0, 1}

    def beside(self, other: "_Measured") -> "_Measured":
        """Return both colours."""
        assert self.inside is not None
        residual = torch.where(self.inside, self.residual, other.residual)
        return _Measured(self.params, residual, torch.where(self.inside, self.scale, other.scale), None)


def channels_last(values: Tensor) -> np.ndarray:
    """Return a tensor (N, C, h, w) as an array (N, h, w, C) of float32 or float64, which is what integers take."""
    return full_precision(values.detach()).cpu().permute(0, 2, 3, 1).numpy()


def planes(values: np.ndarray, device: torch.device) -> Tensor:
    """Return an array (N, h, w, C) as a tensor (N, C, h, w) of float32; the reverse of `channels_last`."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).permute(0, 3, 1, 2).to(device)
