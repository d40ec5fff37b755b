"""The partners of a context that code in floating point, as files were coded before nets were integers.

A file coded so decodes only where the nets come out within the same rounding.
"""

import numpy as np
import torch
from nic_core.coding import EntropyDecoder, EntropyEncoder, Tables
from nic_core.progress import Count
from nic_latent.coding import checksum
from nic_latent.orders.context import Params, Scan, drive
from torch import Tensor

from nic_nn.entropy.latent import mask, of
from nic_nn.entropy.priors import GaussianPrior

LARGEST_SYMBOL = 1 << 26
"""Of what is coded: what is larger comes of a latent that has got out of hand."""


def indexes(params: Params, prior: GaussianPrior) -> Tensor:
    """Return int32 rows of the prior's tables."""
    if params.scale_is_index:
        # NaN, which only damaged streams lead to, would become any integer.
        return params.scale.float().nan_to_num().round().clamp(0, len(prior.scale_table) - 1).int()
    return prior.index_of(params.scale.float())


class Encode:
    """Partner of a context that codes: rounds `y` (one picture) and pushes its symbols."""

    def __init__(self, y: Tensor, prior: GaussianPrior, tables: Tables, encoder: EntropyEncoder) -> None:
        self._y, self._prior, self._tables, self._encoder = y.float(), prior, tables, encoder
        self.checksum = 0
        self._count = Count("coding latents", y.numel())

    def __call__(self, group: Params | Scan) -> Tensor:
        """Return the group of y_hat."""
        return self._code(group) if isinstance(group, Params) else drive(group.steps(), self)[0]

    def _code(self, params: Params) -> Tensor:
        mean, inside = params.mean.float(), mask(params)
        rounded = torch.round(of(params, self._y) - mean)
        rows = indexes(params, self._prior)
        if inside is not None:
            rounded = rounded * inside
            chosen, rows = rounded[..., inside], rows[..., inside]
        else:
            chosen = rounded
        symbols = coded_symbols(chosen)
        self._encoder.push(symbols, as_symbols(rows), self._tables)
        self.checksum = checksum(symbols, self.checksum)
        self._count.add(symbols.size)
        return rounded + (mean if inside is None else mean * inside)


class Decode:
    """Partner of a context that decodes: pulls the symbols that `Encode` pushed.

    size: how many there are, 0 if unknown.
    """

    def __init__(self, prior: GaussianPrior, tables: Tables, decoder: EntropyDecoder, size: int = 0) -> None:
        self._prior, self._tables, self._decoder = prior, tables, decoder
        self.checksum = 0
        self._count = Count("decoding latents", size)

    def __call__(self, group: Params | Scan) -> Tensor:
        """Return the group of y_hat."""
        return self._code(group) if isinstance(group, Params) else drive(group.steps(), self)[0]

    def _code(self, params: Params) -> Tensor:
        mean, inside = params.mean.float(), mask(params)
        rows = indexes(params, self._prior)
        if inside is not None:
            rows = rows[..., inside]
        symbols = self._decoder.pull(as_symbols(rows), self._tables)
        self.checksum = checksum(symbols, self.checksum)
        self._count.add(symbols.size)
        rounded = torch.from_numpy(symbols).to(mean.device, mean.dtype)
        if inside is None:
            return rounded.reshape(mean.shape) + mean
        y_hat = torch.zeros_like(mean)
        y_hat[..., inside] = rounded.reshape(rows.shape) + mean[..., inside]
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
