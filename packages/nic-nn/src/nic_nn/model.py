"""The base of every latent-coding model: what is left to a model is its transforms and its context."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from nic_core.coding import EntropyCoder, Tables
from nic_core.errors import BadWeights, DamagedFile
from nic_latent.coding import LATENT_GRID, Gaussians, checksum
from nic_latent.entropy_model import EntropyModel
from nic_latent.graphs import ANALYSIS, SYNTHESIS
from nic_latent.integers.edges import NO_EDGES, Edges
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.nets import Net
from nic_latent.loading import ladder_of
from nic_latent.orders.context import Context, Order, at_once, drive
from nic_latent.tiles.untiling import OTHER_SYMBOLS
from torch import Tensor, nn

from nic_nn.entropy.coders import WRITTEN, coder
from nic_nn.entropy.float_coding import Decode, Encode, coded_symbols
from nic_nn.entropy.latent import (
    Estimate,
    Noise,
    channels_last,
    full_precision,
    nets_of,
    planes,
    round_ste,
    uniform_noise,
)
from nic_nn.entropy.priors import FactorizedPrior, GaussianPrior

if TYPE_CHECKING:
    from nic_nn.integers.calibration import Pictures

NATS_TO_BITS = 1.4426950408889634


@dataclass(frozen=True)
class Latents:
    """What the entropy model makes of y, with y_hat ready for the synthesis transform.

    hyper: the hyper-synthesis of z_hat, which the context was given.
    log_likelihoods: nats, by latent name ("y", "z"), each shaped like its latent.
    """

    y: Tensor
    y_hat: Tensor
    z: Tensor
    hyper: Tensor
    log_likelihoods: dict[str, Tensor]

    def output(self, x_hat: Tensor) -> dict[str, Any]:
        """Return what `LatentModel.forward` promises."""
        return {
            "x_hat": x_hat,
            "likelihoods": {name: value.exp() for name, value in self.log_likelihoods.items()},
            "bits": {name: -NATS_TO_BITS * value.flatten(1).sum(1) for name, value in self.log_likelihoods.items()},
            "latents": {"y": self.y, "y_hat": self.y_hat, "z": self.z},
        }


@dataclass(frozen=True)
class Compressed:
    """The coded latents of one picture.

    streams: one entropy-coded stream for each picture of the batch.
    size: (height, width) of the coded tensor, a multiple of the model's `stride`.
    checksums: CRC-32 of each picture's symbols, in coding order.
    coder: the name of the entropy coder.
    """

    streams: tuple[bytes, ...]
    size: tuple[int, int]
    checksums: tuple[int, ...]
    coder: str = WRITTEN


class LatentModel(nn.Module):
    """A transform coder with a hyperprior: y = g_a(x), z = h_a(y), and a context that predicts y from h_s(z_hat).

    A subclass sets `g_a`, `g_s`, `h_a`, `h_s`, `order` and the modules that the order calls by name. Its `forward(x)`
    takes pictures (N, 3, H, W) in [0, 1], H and W multiples of `stride`, and returns a dictionary: "x_hat";
    "likelihoods" by latent, as CompressAI's models return them; "bits" by latent, (N,), summed in the log domain;
    "latents" y, y_hat and z.

    channels: (of y, of z).
    likelihood_floor: smallest likelihood that counts, 0 for none.
    scale_is_index: whether the context predicts positions on the ladder of scales, see `Params`.
    """

    stride = 64
    """What sides must be multiples of; z is this much smaller than x."""
    picture_channels = 3
    """Of the pictures that it codes: 3, or 1 for a model of gray pictures (N, 1, H, W)."""
    y_stride = 16
    """How much smaller y is than x."""
    synthesis_modules: Sequence[str] = ("g_s",)
    """Top-level entries that decide pixels but no symbols."""
    analysis_modules: Sequence[str] = ("g_a", "h_a")
    """Top-level entries that only an encoder needs."""
    synthesis_config: Sequence[str] = ()
    """Fields of the config that decide pixels but no symbols."""
    shared_modules: Sequence[tuple[str, str]] = ()
    """(of the analysis, of the synthesis): modules that files hold once where their parameters are the same."""
    integer_bits = 12
    """Of a weight in integer nets, without its sign. With 7 files hold them in half the bytes."""
    graph_inputs: Mapping[str, tuple[int, ...]] = {}
    """What `analyse` and `synthesise` take besides pixels and latents: shapes by the names that graphs give them."""
    graphs: Sequence[str] = (ANALYSIS, SYNTHESIS)
    """Which transforms are written into weights files as graphs too, see `nic_nn.weights.graphs`."""

    config: Any
    """A frozen dataclass that round-trips through JSON and from which the model can be rebuilt."""
    g_a: nn.Module
    g_s: nn.Module
    h_a: nn.Module
    h_s: nn.Module
    order: Order
    """In what order latents are coded, and from what they are predicted; see `nic_latent.orders.context`."""

    def __init__(
        self, channels: tuple[int, int], likelihood_floor: float = 1e-9, *, scale_is_index: bool = False
    ) -> None:
        super().__init__()
        self.channels = channels
        self.entropy_bottleneck = FactorizedPrior(channels[1], likelihood_floor)
        self.gaussian = GaussianPrior(likelihood_floor=likelihood_floor, scale_is_index=scale_is_index)
        self.noise: Noise = uniform_noise
        self.tables: dict[str, Tables] | None = None
        self.integers: EntropyModel | None = None
        self.codes_in_floats = False

    def context(self, hyper: Tensor) -> Context:
        """Yield the parameters of each group of latents, receive it decoded, return y_hat in parts."""
        return self.order(nets_of(self), hyper)

    def completed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a weights file's state with entries made for those that this model has and smaller ones lack."""
        return state

    def forward(self, x: Tensor) -> dict[str, Any]:
        """Code `x` as a measurement: see the class."""
        latents = self.estimate(self.g_a(x))
        return latents.output(self.g_s(latents.y_hat))

    def analyse(self, x: Tensor) -> Tensor:
        """Return y of pictures (N, C, H, W)."""
        return self.g_a(x)

    def synthesise(self, y_hat: Tensor) -> Tensor:
        """Return pictures (N, C, H, W), not clamped."""
        return self.g_s(y_hat)

    def compress(self, x: Tensor) -> Compressed:
        """Code pictures into streams."""
        return self.encode(self.g_a(x))

    def decompress(self, compressed: Compressed) -> dict[str, Tensor]:
        """Return {"x_hat": pictures in [0, 1]}."""
        return {"x_hat": self.g_s(self.decode(compressed)).clamp(0, 1)}

    def analyses(self, x: Tensor) -> Iterator[Tensor]:
        """Yield y of pictures at every quality that matters for the ranges of what is computed from it."""
        yield self.g_a(x)

    def estimate(self, y: Tensor) -> Latents:
        """Run the entropy model over y; with noise when training, with rounding otherwise."""
        z = self.h_a(y)
        with torch.autocast(y.device.type, enabled=False):
            medians = self.entropy_bottleneck.medians
            centred = full_precision(z) - medians
            rounded = round_ste(centred)
            measured = centred + self.noise(centred) if self.training else rounded
            z_log_likelihood = self.entropy_bottleneck.log_likelihood(measured + medians)
        measure = Estimate(y, self.gaussian, self.noise if self.training else None)
        hyper = self.h_s(rounded + medians)
        y_hat = torch.cat(list(drive(self.context(hyper), measure)), 1)
        return Latents(y, y_hat, z, hyper, {"y": measure.log_likelihood, "z": z_log_likelihood})

    def encode(self, y: Tensor) -> Compressed:
        """Entropy-code y, picture by picture; ValueError for latents that are not finite or far out of range.

        A model without integers makes them first.
        """
        if self.integers is None and not self.codes_in_floats:
            self.make_integers()
        pictures = ((channels_last(one), channels_last(self.h_a(one))) for one in y.split(1))
        streams, checksums = zip(*(self.encode_latents(*latents) for latents in pictures), strict=True)
        return Compressed(streams, (y.shape[2] * self.y_stride, y.shape[3] * self.y_stride), checksums)

    def encode_latents(self, y: np.ndarray, z: np.ndarray, edges: Edges = NO_EDGES) -> tuple[bytes, int]:
        """Return the stream of one picture's or tile's latents, (1, h, w, C) each, and the checksum of its symbols."""
        if self.integers is not None:
            return self.integers.encode(y, z, coder(WRITTEN), edges)
        return self._encode_floats(*(planes(latent, self.entropy_bottleneck.quantiles.device) for latent in (y, z)))

    def _encode_floats(self, y: Tensor, z: Tensor) -> tuple[bytes, int]:
        tables = self._frozen_tables()
        symbols = coded_symbols(torch.round(z - self.entropy_bottleneck.medians))
        encoder = coder(WRITTEN).encoder()
        encoder.push(symbols, self._z_indexes(z.shape), tables["z"])
        code = Encode(y, self.gaussian, tables["y"], encoder)
        code.checksum = checksum(symbols)
        drive(self.context(self.h_s(self._z_hat(symbols, z.shape))), code)
        return encoder.finish(), code.checksum

    def decode(self, compressed: Compressed) -> Tensor:
        """Return y_hat (N, C, H, W); DamagedFile where the symbols are not those that were coded."""
        pictures, (height, width) = [], compressed.size
        z_size = height // self.stride, width // self.stride
        for stream, expected in zip(compressed.streams, compressed.checksums, strict=True):
            y_hat, found = self.decode_stream(stream, z_size, compressed.coder)
            if found != expected:
                raise DamagedFile(OTHER_SYMBOLS)
            pictures.append(y_hat)
        return torch.cat(pictures)

    def decode_stream(
        self, stream: bytes, z_size: tuple[int, int], name: str, edges: Edges = NO_EDGES
    ) -> tuple[Tensor, int]:
        """Return y_hat (1, C, h, w) of one stream, for a z of (height, width), and its symbols' checksum.

        name: of the entropy coder; UnsupportedFile where it is none of `nic_nn.entropy.coders`. DamagedFile where the
        stream is not one of such a size.
        """
        if self.integers is None:
            return self._decode_floats(stream, torch.Size((1, self.channels[1], *z_size)), coder(name))
        y_hat, found = self.integers.decode(stream, z_size, self.channels[0], coder(name), edges)
        device = self.entropy_bottleneck.quantiles.device
        return torch.from_numpy(y_hat.numbers.astype(np.float32)).permute(0, 3, 1, 2).to(device), found

    def _decode_floats(self, stream: bytes, z_shape: torch.Size, coder: EntropyCoder) -> tuple[Tensor, int]:
        tables = self._frozen_tables()
        y_count = self.channels[0] * z_shape[2] * z_shape[3] * (self.stride // self.y_stride) ** 2
        decoder = coder.decoder(stream, z_shape.numel() + y_count)
        symbols = decoder.pull(self._z_indexes(z_shape), tables["z"])
        code = Decode(self.gaussian, tables["y"], decoder, y_count)
        code.checksum = checksum(symbols)
        parts = drive(self.context(self.h_s(self._z_hat(symbols, z_shape))), code)
        decoder.finish()
        return torch.cat(list(parts), 1), code.checksum

    def freeze_tables(self) -> None:
        """Compute the integer tables from the trained priors; done once, when weights are exported."""
        self.tables = {"y": self.gaussian.tables(), "z": self.entropy_bottleneck.tables()}

    @contextmanager
    def in_floats(self) -> Iterator[None]:
        """Code in floating point for the length of a block: what counts torch's operations sees all of them then."""
        kept = self.integers, self.tables, self.codes_in_floats
        self.integers, self.codes_in_floats = None, True
        if self.tables is None:
            self.freeze_tables()
        try:
            yield
        finally:
            self.integers, self.tables, self.codes_in_floats = kept

    def make_integers(self, pictures: "Pictures | None" = None) -> None:
        """Make the tables and the integer nets; done once, when weights are exported.

        pictures: whose values choose the integers' ranges, and whose symbols are counted for the tables of y; None for
        some of scikit-image, which choose ranges alone. BadWeights names a layer that has no integer form.
        """
        from nic_nn.integers.calibration import integers_of  # brings torch.fx, which coding does not need

        self.freeze_tables()
        self.integers = integers_of(self, pictures)
        self.tables = {"y": self.integers.gaussians.tables, "z": self.integers.z_tables}

    def with_nets(self, nets: Mapping[str, Net]) -> EntropyModel:
        """Return the integer entropy model around these nets, with this model's tables."""
        tables = self._frozen_tables()
        medians = Fixed.of(channels_last(self.entropy_bottleneck.medians.double()), LATENT_GRID).values.reshape(-1)
        gaussians = Gaussians(ladder_of(self.gaussian.scale_table.cpu().double().numpy()), tables["y"])
        return EntropyModel(self.order, nets, medians, tables["z"], gaussians, self.stride // self.y_stride)

    def _frozen_tables(self) -> dict[str, Tables]:
        if self.tables is None:
            raise BadWeights("these weights hold no entropy tables: export them first (freeze_tables)")
        return self.tables

    def _z_indexes(self, shape: torch.Size) -> Any:
        return torch.arange(shape[1], dtype=torch.int32).repeat_interleave(shape[2] * shape[3]).numpy()

    def _z_hat(self, symbols: Any, shape: torch.Size) -> Tensor:
        medians = self.entropy_bottleneck.medians
        return torch.from_numpy(symbols).to(medians.device, medians.dtype).reshape(shape) + medians


class Hyperprior(LatentModel):
    """A mean-scale hyperprior without context: all of y is one group (Minnen et al., NeurIPS 2018).

    h_s gives 2C channels, scales first.
    """

    order = staticmethod(at_once)
