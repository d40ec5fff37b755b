"""The latent-coding engine: a model states its coding order once, three drivers run it.

A context model is a generator. It yields the Gaussian parameters of the next group of latents and receives that
group decoded; what it returns at the end is the latent that goes to the synthesis transform. `drive` runs it with one
of three partners:

- `Estimate` quantises the given latent differentiably and collects log-likelihoods (training, evaluation);
- `Encode` rounds the given latent and pushes symbols into an entropy encoder;
- `Decode` pulls symbols from an entropy decoder.

Since all three see the same generator, coded order and training order cannot drift apart. Where one position depends on
another of the same group, measuring all at once and coding one after another are two computations by nature: such a
context yields a `Scan`, which holds both.
"""

import zlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import numpy as np
import torch
from nic_core.coding import EntropyDecoder, EntropyEncoder, Tables
from torch import Tensor

from nic_nn.priors import GaussianPrior

LARGEST_SYMBOL = 1 << 26
"""Of what is coded: what is larger comes of a latent that has got out of hand."""


@dataclass(frozen=True)
class Params:
    """Gaussian parameters of one group of latents.

    mean: (N, c, h, w) for the c channels of the group, over all positions; (N, c, k) for the k positions of `at`.
    scale: the same shape; standard deviations, or positions on the prior's ladder where `scale_is_index`.
    channels: which channels of the latent the group covers; None for all.
    parity: None for all positions; 0 or 1 for one colour of a checkerboard, the positions with
        (row + column) % 2 == parity. Outside it the parameters are ignored and the received group is zero.
    at: rows and columns (k,) of the positions that the group consists of; None for all. Only while coding.
    """

    mean: Tensor
    scale: Tensor
    channels: slice | None = None
    parity: int | None = None
    scale_is_index: bool = False
    at: tuple[Tensor, Tensor] | None = None

    def of(self, y: Tensor) -> Tensor:
        """Return the group's part of a latent, shaped like the mean."""
        y = y if self.channels is None else y[:, self.channels]
        return y if self.at is None else y[..., self.at[0], self.at[1]]

    def scales(self, prior: GaussianPrior) -> Tensor:
        """Return standard deviations."""
        scale = full_precision(self.scale)
        return prior.scale_of(scale) if self.scale_is_index else scale

    def indexes(self, prior: GaussianPrior) -> Tensor:
        """Return int32 rows of the prior's tables."""
        if self.scale_is_index:
            # NaN, which only damaged streams lead to, would become any integer.
            return self.scale.float().nan_to_num().round().clamp(0, len(prior.scale_table) - 1).int()
        return prior.index_of(self.scale.float())

    def mask(self) -> Tensor | None:
        """Return the boolean (h, w) of the group's positions, None where it covers all."""
        if self.parity is None:
            return None
        height, width = self.mean.shape[-2:]
        row = torch.arange(height, device=self.mean.device)[:, None]
        column = torch.arange(width, device=self.mean.device)
        return (row + column) % 2 == self.parity


def slices_of(sizes: Sequence[int]) -> list[slice]:
    """Return the channels that slices of these sizes cover, one after another."""
    return [slice(stop - size, stop) for size, stop in zip(sizes, accumulate(sizes), strict=True)]


@dataclass(frozen=True)
class Scan:
    """All of a latent as one group whose positions depend on each other; `nic_nn.raster` makes them.

    whole: returns the parameters of all positions from all of y_hat, in one pass.
    steps: returns a context that yields them with `Params.at`, each from positions decoded before, and returns y_hat.
    """

    whole: Callable[[Tensor], Params]
    steps: Callable[[], "Context"]


Context = Generator[Params | Scan, Tensor, Tensor]
Quantiser = Callable[[Tensor], Tensor]


def drive(context: Context, code: Callable[[Params | Scan], Tensor]) -> Tensor:
    """Run a context to its end: `code` turns each group's parameters into its decoded values, shaped like the mean."""
    try:
        group = next(context)
        while True:
            group = context.send(code(group))
    except StopIteration as stop:
        return stop.value


def checkerboard(
    anchors: Tensor, rest: Callable[[Tensor], Tensor], channels: slice | None = None, parity: int = 0
) -> Context:
    """Code channels in two passes over a checkerboard and return them whole (He et al., CVPR 2021).

    anchors: parameters of the first pass, scales and means along the channels, (N, 2c, h, w).
    rest: returns those of the second from the decoded anchors, (N, c, h, w), zero elsewhere.
    parity: of the anchors' positions, see `Params`.
    """
    scale, mean = anchors.chunk(2, 1)
    first = yield Params(mean, scale, channels, parity=parity)
    scale, mean = rest(first).chunk(2, 1)
    second = yield Params(mean, scale, channels, parity=1 - parity)
    return first + second


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

    def __init__(
        self, y: Tensor, prior: GaussianPrior, noise: Noise | None = None, quantise: Quantiser = round_ste
    ) -> None:
        self._y, self._prior, self._noise, self._quantise = full_precision(y), prior, noise, quantise
        self._pieces: list[tuple[slice | None, Tensor]] = []

    def __call__(self, group: Params | Scan) -> Tensor:
        """Return the group of y_hat."""
        if isinstance(group, Params):
            return self._measure(group)
        y_hat = self._quantise(self._y) if self._noise is None else self._y + self._noise(self._y)
        self._measure(group.whole(y_hat))
        return y_hat

    def _measure(self, params: Params) -> Tensor:
        """Collect the group's log-likelihoods and return its values, rounded from the mean."""
        mean = full_precision(params.mean)
        residual = params.of(self._y) - mean
        rounded = self._quantise(residual)
        measured = rounded if self._noise is None else residual + self._noise(residual)
        log_likelihood = self._prior.log_likelihood(measured, params.scales(self._prior))
        y_hat = rounded + mean
        if (mask := params.mask()) is not None:
            log_likelihood, y_hat = log_likelihood * mask, y_hat * mask
        if self._pieces and self._pieces[-1][0] == params.channels:
            log_likelihood = log_likelihood + self._pieces.pop()[1]
        self._pieces.append((params.channels, log_likelihood))
        return y_hat

    @property
    def log_likelihood(self) -> Tensor:
        """Log-probabilities in nats, shaped like y, once the context has ended."""
        return torch.cat([piece for _, piece in self._pieces], 1)


class Encode:
    """Partner of a context that codes: rounds `y` (one picture) and pushes its symbols."""

    def __init__(self, y: Tensor, prior: GaussianPrior, tables: Tables, encoder: EntropyEncoder) -> None:
        self._y, self._prior, self._tables, self._encoder = y.float(), prior, tables, encoder
        self.checksum = 0

    def __call__(self, group: Params | Scan) -> Tensor:
        """Return the group of y_hat."""
        return self._code(group) if isinstance(group, Params) else drive(group.steps(), self)

    def _code(self, params: Params) -> Tensor:
        mean, mask = params.mean.float(), params.mask()
        rounded = torch.round(params.of(self._y) - mean)
        indexes = params.indexes(self._prior)
        if mask is not None:
            rounded = rounded * mask
            chosen, indexes = rounded[..., mask], indexes[..., mask]
        else:
            chosen = rounded
        symbols = coded_symbols(chosen)
        self._encoder.push(symbols, as_symbols(indexes), self._tables)
        self.checksum = checksum(symbols, self.checksum)
        return rounded + (mean if mask is None else mean * mask)


class Decode:
    """Partner of a context that decodes: pulls the symbols that `Encode` pushed."""

    def __init__(self, prior: GaussianPrior, tables: Tables, decoder: EntropyDecoder) -> None:
        self._prior, self._tables, self._decoder = prior, tables, decoder
        self.checksum = 0

    def __call__(self, group: Params | Scan) -> Tensor:
        """Return the group of y_hat."""
        return self._code(group) if isinstance(group, Params) else drive(group.steps(), self)

    def _code(self, params: Params) -> Tensor:
        mean, mask = params.mean.float(), params.mask()
        indexes = params.indexes(self._prior)
        if mask is not None:
            indexes = indexes[..., mask]
        symbols = self._decoder.pull(as_symbols(indexes), self._tables)
        self.checksum = checksum(symbols, self.checksum)
        rounded = torch.from_numpy(symbols).to(mean.device, mean.dtype)
        if mask is None:
            return rounded.reshape(mean.shape) + mean
        y_hat = torch.zeros_like(mean)
        y_hat[..., mask] = rounded.reshape(indexes.shape) + mean[..., mask]
        return y_hat


def as_symbols(values: Tensor) -> np.ndarray:
    """Return a tensor of whole numbers as flat int32, in C order."""
    return values.to(torch.int32).cpu().numpy().reshape(-1)


def coded_symbols(values: Tensor) -> np.ndarray:
    """Return a tensor of whole numbers as `as_symbols` does; ValueError for what is not finite or beyond +-2**26."""
    symbols = as_symbols(values)
    # Not by abs(), which leaves -2**31 negative: that is what a float that is not finite becomes.
    if symbols.size and not -LARGEST_SYMBOL <= symbols.min() <= symbols.max() <= LARGEST_SYMBOL:
        raise ValueError(f"a symbol exceeds {LARGEST_SYMBOL}: the latent is not finite or far out of range")
    return symbols


def checksum(symbols: np.ndarray, start: int = 0) -> int:
    """Continue a CRC-32 over int32 symbols in little-endian order."""
    return zlib.crc32(symbols.astype("<i4", copy=False).tobytes(), start)
