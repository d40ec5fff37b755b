"""The two entropy models of hyperprior codecs, with log-domain probabilities and frozen integer tables.

Both build on compressai's: its parametrisation, its table construction and its likelihood floor, so that its
checkpoints and published rates carry over. What they add is a logarithm that stays exact where a float32 likelihood
underflows, and tables that leave as plain integers.
"""

import copy
import math

import torch
import torch.nn.functional as F
from nic_core.coding import Tables
from nic_core.errors import BadWeights
from torch import Tensor, nn

from nic_nn.nets.compressai_parts import EntropyBottleneck, GaussianConditional, LowerBound

WIDEST = 1 << 15
"""How far the tails of a density may lie from zero: tables of 16 bits tell no more symbols apart."""
TABLE_BUFFERS = ("_offset", "_quantized_cdf", "_cdf_length")


def log_difference(larger: Tensor, smaller: Tensor) -> Tensor:
    """Return log(exp(larger) - exp(smaller)) for larger > smaller, without leaving the log domain."""
    # Equal inputs (a bin so far out that float32 cannot tell its two edges apart) would give log(0).
    return larger + torch.log(-torch.expm1(torch.clamp(smaller - larger, max=-1e-7)))


FAR = -100.0


def log_normal_cdf(x: Tensor) -> Tensor:
    """Return the logarithm of the standard normal's cumulative distribution, with a gradient for any float32.

    torch's own has one that rounding spoils from -1e3 on, and that is zero or infinite from -1e4 on.
    """
    near = torch.special.log_ndtr(x.clamp(min=FAR))
    tail = x.clamp(-1e18, FAR)  # whose square is finite
    return torch.where(x > FAR, near, -0.5 * tail.square() - torch.log(-tail) - 0.5 * math.log(2 * math.pi))


class LikelihoodFloor(nn.Module):
    """Bounds log-likelihoods below, with the gradients that compressai's bound on likelihoods has.

    There, d log max(p, floor) = dp / floor below the floor, which in the log domain is p / floor times d log p: far
    outliers neither vanish from the rate nor dominate training. A gradient that would lower p further is not passed.

    floor: smallest likelihood, or 0 for none.
    """

    def __init__(self, floor: float) -> None:
        super().__init__()
        self.log_floor = math.log(floor) if floor else -math.inf
        self.bound = lower_bound(self.log_floor)

    def forward(self, log_likelihood: Tensor) -> Tensor:
        """Return the bounded log-likelihoods, in nats."""
        if self.log_floor == -math.inf:
            return log_likelihood
        with torch.no_grad():
            share = torch.exp((log_likelihood - self.log_floor).clamp(-30, 0)) - math.exp(-30)  # exactly 0 far out
        sloped = log_likelihood * share
        return self.bound(sloped + (log_likelihood - sloped).detach())


def lower_bound(value: float) -> LowerBound:
    """Return compressai's bound, which is no part of the weights."""
    bound = LowerBound(value)
    bound.register_buffer("bound", bound.bound, persistent=False)
    return bound


class FactorizedPrior(EntropyBottleneck):
    """Learned density of each hyper-latent channel (Balle et al., ICLR 2018, appendix 6.1).

    channels: C of the hyper-latent.
    likelihood_floor: smallest likelihood that counts, 0 for none.
    filters: widths of the density's hidden layers.
    centred: symbols are rounded distances from 0 instead of a learned median; there are no quantiles to learn then,
        the tails of the tables are found from the density.
    """

    def __init__(
        self,
        channels: int,
        likelihood_floor: float = 1e-9,
        filters: tuple[int, ...] = (3, 3, 3, 3),
        centred: bool = False,
    ) -> None:
        super().__init__(channels, filters=filters)  # type: ignore[call-arg]  # untyped bases hide it
        self.centred = centred
        if centred:
            del self.quantiles
            self.register_buffer("quantiles", torch.zeros(channels, 1, 3), persistent=False)
        # Tables live in the weights file as integers of their own; compressai's buffers would change size with them.
        for name in TABLE_BUFFERS:
            self.register_buffer(name, getattr(self, name), persistent=False)
        self.floor = LikelihoodFloor(likelihood_floor)

    @property
    def medians(self) -> Tensor:
        """The centre of each channel, (1, C, 1, 1): symbols are rounded distances from it."""
        return self.quantiles[:, 0, 1].detach().reshape(1, -1, 1, 1)

    def log_likelihood(self, z: Tensor) -> Tensor:
        """Return the log-probability, in nats, of the unit-wide bin around each value of z (N, C, H, W)."""
        columns = z.permute(1, 0, 2, 3).reshape(z.shape[1], 1, -1)
        lower = self._logits_cumulative(columns - 0.5, stop_gradient=False)
        upper = self._logits_cumulative(columns + 0.5, stop_gradient=False)
        # The sigmoid is resolved best on its lower side: mirror the bins that lie on the upper one.
        mirrored = (lower + upper) > 0
        low, high = torch.where(mirrored, -upper, lower), torch.where(mirrored, -lower, upper)
        log_likelihood = self.floor(log_difference(F.logsigmoid(high), F.logsigmoid(low)))
        return log_likelihood.reshape(z.shape[1], z.shape[0], *z.shape[2:]).permute(1, 0, 2, 3)

    def tables(self) -> Tables:
        """Return the integer tables, one row for each channel; BadWeights for a density that has none."""
        frozen = copy.deepcopy(self)
        if self.centred:
            span = torch.tensor([[-1e5, 1e5]]).to(self.quantiles).expand(self.channels, 1, 2)
            ends = frozen._logits_cumulative(span, stop_gradient=True)
            if not torch.isfinite(ends).all():  # the search for the tails would not end
                raise BadWeights("the density of the hyper-latent is not finite")
            frozen._update_quantiles()
            frozen.quantiles[:, :, 1] = 0
        if not (frozen.quantiles.abs() <= WIDEST).all():
            raise BadWeights(f"the density of the hyper-latent reaches further than {WIDEST}")
        frozen.update(force=True)
        return _as_tables(frozen)


class GaussianPrior(nn.Module):
    """Zero-mean Gaussians of a fixed ladder of scales, for residuals y - mean.

    scale_min, scale_max, levels: the ladder, log-spaced.
    likelihood_floor: smallest likelihood that counts, 0 for none.
    scale_is_index: whether nets predict positions on the ladder, of which the nearest step is taken, see `Params`.
    """

    scale_table: Tensor

    def __init__(
        self,
        scale_min: float = 0.11,
        scale_max: float = 256.0,
        levels: int = 64,
        likelihood_floor: float = 1e-9,
        scale_is_index: bool = False,
    ) -> None:
        super().__init__()
        self.scale_is_index = scale_is_index
        ladder = torch.exp(torch.linspace(math.log(scale_min), math.log(scale_max), levels))
        # Persistent: the ladder decides symbols, and exp() may differ in the last bit on another machine.
        self.register_buffer("scale_table", ladder)
        self.scale_bound = lower_bound(scale_min)
        self.first_bound, self.last_bound = lower_bound(0.0), lower_bound(1.0 - levels)
        self.floor = LikelihoodFloor(likelihood_floor)

    def scale_of(self, index: Tensor) -> Tensor:
        """Return the scale at a fractional position of the ladder (log-linear between its steps).

        Positions beyond an end give the end, with a gradient that leads back.
        """
        log_ladder = self.scale_table.log()
        step = (log_ladder[-1] - log_ladder[0]) / (len(log_ladder) - 1)
        return torch.exp(log_ladder[0] - step * self.last_bound(-self.first_bound(index)))

    def log_likelihood(self, residual: Tensor, scale: Tensor) -> Tensor:
        """Return the log-probability, in nats, of the unit-wide bin around each residual; shapes are equal."""
        scale = self.scale_bound(scale)
        distance = residual.abs()
        upper = log_normal_cdf((0.5 - distance) / scale)
        lower = log_normal_cdf((-0.5 - distance) / scale)
        return self.floor(log_difference(upper, lower))

    def index_of(self, scale: Tensor) -> Tensor:
        """Return int32 rows of the table for scales: the first step of the ladder that is not below the scale.

        The one place where a float decides an integer; both directions of coding call it.
        """
        return torch.bucketize(scale.contiguous(), self.scale_table[:-1], out_int32=True)

    def tables(self) -> Tables:
        """Return the integer tables, one row for each step of the ladder.

        A row stands for all scales from the step before it to its own, so it is that of their geometric mean: with its
        own step, the largest of them, files would be up to 1 % larger. The first and the last row have no such middle.
        """
        scales = self.scale_table.cpu().double()
        if not self.scale_is_index:
            scales[1:-1] = (scales[1:-1] * scales[:-2]).sqrt()
        frozen = GaussianConditional(None)  # type: ignore[arg-type]
        frozen.update_scale_table(scales.float(), force=True)
        return _as_tables(frozen)


def _as_tables(model: EntropyBottleneck | GaussianConditional) -> Tables:
    return Tables(
        model._quantized_cdf.cpu().numpy(),
        model._cdf_length.reshape(-1).cpu().numpy(),
        model._offset.reshape(-1).cpu().numpy(),
    )
