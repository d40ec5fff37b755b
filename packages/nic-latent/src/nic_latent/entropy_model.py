"""The whole integer entropy model of a codec: latents to a stream and back."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from nic_core.coding import EntropyCoder, Tables

from nic_latent.coding import LARGEST_SYMBOL, LATENT_GRID, Decode, Encode, Gaussians, Round, checksum
from nic_latent.integers.arithmetic import rounded_shift, saturated
from nic_latent.integers.edges import NO_EDGES, Edges
from nic_latent.integers.fixed import Fixed, joined
from nic_latent.integers.nets import Net, NetTable
from nic_latent.orders.context import Order, drive

HYPER_SYNTHESIS = "h_s"


@dataclass(frozen=True)
class EntropyModel:
    """What decides symbols.

    order: how y is coded. nets: those that it calls, and the hyper-synthesis "h_s".
    medians: int32 (C of z,) on the latent grid, what symbols of z are distances from.
    z_tables: one row for each channel of z. gaussians: of y.
    ratio: how many times smaller z's sides are than y's.
    """

    order: Order
    nets: Mapping[str, Net]
    medians: np.ndarray
    z_tables: Tables
    gaussians: Gaussians
    ratio: int

    def encode(self, y: np.ndarray, z: np.ndarray, coder: EntropyCoder, edges: Edges = NO_EDGES) -> tuple[bytes, int]:
        """Return the stream of a picture's or a tile's latents, (1, h, w, C) numbers, and its symbols' checksum.

        ValueError for latents that are not finite or beyond +-2**17.
        """
        if not all(np.abs(values).max(initial=0) <= LARGEST_SYMBOL for values in (y, z)):  # which NaN is not either
            raise ValueError(f"a symbol exceeds {LARGEST_SYMBOL}: the latent is not finite or far out of range")
        encoder = coder.encoder()
        symbols = self.z_symbols(z)
        encoder.push(symbols.reshape(-1), self._z_rows(symbols.shape), self.z_tables)
        code = Encode(Fixed.of(y, LATENT_GRID), self.gaussians, encoder, checksum(symbols))
        self._drive(symbols, code, edges)
        return encoder.finish(), code.checksum

    def decode(
        self, stream: bytes, z_size: tuple[int, int], y_channels: int, coder: EntropyCoder, edges: Edges = NO_EDGES
    ) -> tuple[Fixed, int]:
        """Return y_hat (1, h, w, C) of a stream and the checksum of its symbols; z_size: height and width of z."""
        shape = (1, *z_size, len(self.medians))
        y_count = z_size[0] * z_size[1] * self.ratio**2 * y_channels
        decoder = coder.decoder(stream, int(np.prod(shape)) + y_count)
        symbols = decoder.pull(self._z_rows(shape), self.z_tables).reshape(shape)
        code = Decode(self.gaussians, decoder, checksum(symbols), y_count)
        y_hat = self._drive(symbols, code, edges)
        decoder.finish()
        return y_hat, code.checksum

    def _drive(self, z_symbols: np.ndarray, code: Encode | Decode, edges: Edges) -> Fixed:
        nets = NetTable(self.nets, edges)
        hyper = nets(HYPER_SYNTHESIS, self.z_hat(z_symbols))
        return joined(drive(self.order(nets, hyper), code), LATENT_GRID)

    def check(self, y_channels: int) -> None:
        """Run all nets once; ValueError where they do not fit each other, the order or y."""
        z_hat = self.z_hat(np.zeros((1, 1, 1, len(self.medians)), np.int64))
        y = Fixed(np.zeros((1, self.ratio, self.ratio, y_channels), np.int32), LATENT_GRID)
        nets = NetTable(self.nets)
        try:
            y_hat = joined(drive(self.order(nets, nets(HYPER_SYNTHESIS, z_hat)), Round(y)), LATENT_GRID)
        except (LookupError, TypeError) as error:
            raise ValueError(f"a net is missing or called with another number of values: {error}") from error
        if y_hat.values.shape != y.values.shape:
            raise ValueError(f"the nets give a latent of {y_hat.values.shape[1:]} instead of {y.values.shape[1:]}")

    def z_symbols(self, z: np.ndarray) -> np.ndarray:
        """Return the int32 symbols of z, numbers (N, h, w, C)."""
        distances = Fixed.of(z, LATENT_GRID).values.astype(np.int64) - self.medians
        return rounded_shift(distances, LATENT_GRID).astype(np.int32)

    def z_hat(self, symbols: np.ndarray) -> Fixed:
        """Return what symbols (N, h, w, C) of z decode to."""
        return Fixed(saturated((symbols.astype(np.int64) << LATENT_GRID) + self.medians), LATENT_GRID)

    def _z_rows(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the table rows of z's symbols, channels last."""
        return np.tile(np.arange(shape[-1], dtype=np.int32), shape[1] * shape[2])
