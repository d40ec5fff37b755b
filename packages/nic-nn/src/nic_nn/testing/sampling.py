"""Latents as a model expects them: what its decoder makes of a stream without end that says nothing.

A decoder turns bits into symbols as its tables say. Given random ones it draws from the model's distributions, each
group of latents under the condition of those before it, in any order of coding.
"""

import numpy as np
import torch
from nic_core.coding import PRECISION, EntropyEncoder, Tables
from nic_latent.orders.context import drive
from torch import Tensor

from nic_nn.entropy.latent import Estimate, planes
from nic_nn.model import NATS_TO_BITS, LatentModel


class Drawn:
    """An entropy coder that decodes nothing: it draws each symbol from its table. pulled: what it drew, in order."""

    name = "drawn"

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.pulled: list[np.ndarray] = []

    def encoder(self) -> EntropyEncoder:
        """There is nothing to encode."""
        raise NotImplementedError

    def decoder(self, data: bytes, max_symbols: int) -> "Drawn":
        """Return itself."""
        return self

    def pull(self, indexes: np.ndarray, tables: Tables) -> np.ndarray:
        """Return a symbol (K,) for each row that `indexes` (K,) names; no escapes."""
        symbols = np.zeros(indexes.shape, np.int32)
        for index in np.unique(indexes):
            row, here = tables.rows[index][:-1], indexes == index
            values = self._random.integers(0, min(int(row[-1]), 1 << PRECISION), int(here.sum()))
            symbols[here] = np.searchsorted(row, values, "right") - 1 + tables.offset[index]
        self.pulled.append(symbols)
        return symbols

    def finish(self) -> None:
        """There is no end to check."""


def drawn(model: LatentModel, size: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return y and z, (1, h, w, C) numbers, for a z of some height and width."""
    coder, (y_channels, z_channels) = Drawn(seed), model.channels
    assert model.integers is not None
    y_hat, _ = model.integers.decode(b"", size, y_channels, coder)
    symbols = coder.pulled[0].reshape(1, *size, z_channels)
    medians = model.entropy_bottleneck.medians.detach().cpu().double().numpy().reshape(-1)
    return y_hat.numbers, symbols + medians


@torch.inference_mode()
def bits_of(model: LatentModel, y: np.ndarray, z: np.ndarray) -> float:
    """Return the bits that a model expects latents (1, h, w, C) to take."""
    prior = model.entropy_bottleneck
    latents: list[Tensor] = [planes(latent, prior.quantiles.device) for latent in (y, z)]
    z_hat = torch.round(latents[1] - prior.medians) + prior.medians
    measure = Estimate(latents[0], model.gaussian)
    drive(model.context(model.h_s(z_hat)), measure)
    nats = measure.log_likelihood.double().sum() + prior.log_likelihood(z_hat).double().sum()
    return -NATS_TO_BITS * float(nats)
