"""From pixels to a latent model and back: the part of a codec that all latent models share."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nic_core import progress
from nic_core.codec import Coded, Estimated
from nic_core.errors import BadOption, BadWeights, DamagedFile, NicError
from nic_core.format.container import File, Header
from nic_core.format.tiling import Area
from nic_core.host.runtimes import has_graphs
from nic_core.spec import EFFORT
from nic_core.weights import WeightsInfo
from nic_core.weights.origin import MS_SSIM_TO_MSE
from nic_core.weights.tensors import read_head
from nic_latent.integers.edges import NO_EDGES, Edges
from nic_latent.tiles.tiled import ANALYSING, SYNTHESISING, TiledCodec
from nic_latent.tiles.untiling import OTHER_SYMBOLS
from torch import Tensor, nn

from nic_nn.bfloat16 import suits_bf16, to_bfloat16
from nic_nn.config import no_larger_than
from nic_nn.entropy.coders import coder
from nic_nn.entropy.latent import channels_last, planes
from nic_nn.memory import explained
from nic_nn.model import NATS_TO_BITS, LatentModel
from nic_nn.pixels import to_pixels, to_tensor
from nic_nn.refinement.effort import effort_of
from nic_nn.refinement.objective import Objective
from nic_nn.refinement.search import Windows, refined
from nic_nn.weights.export import add_graphs, export
from nic_nn.weights.loading import fill_floats, load_model, same_scope, scope_of

logger = logging.getLogger("nic")

OTHER_FLOATS = (
    f"{OTHER_SYMBOLS}: the file's content is intact, but this device computes the entropy model, which these weights "
    "have in floating point, differently; decode it with --device cpu"
)


BATCH_PIXELS = {"cpu": 1 << 17, "cuda": 1 << 22}
"""What `LatentCodec.batch_pixels` is, by the type of the device; none elsewhere."""


class LatentCodec(TiledCodec):
    """A codec around one `LatentModel`. A subclass says how to build the model from the weights' config.

    Pixels are scaled to [0, 1]; gray is coded as three equal channels and comes back as their mean, unless the model
    itself is one of gray pictures (its spec says `gray`); sides are padded to a multiple of the model's stride by
    repeating the edge, and cropped back.
    """

    runtime = "torch"
    window, margin = 256, 64
    """Pixels a side of what an effort searches at once, and around it that it is seen with: gradients take memory."""

    @property
    def other_symbols(self) -> str:  # type: ignore[override]
        """What errors say about symbols that are not those that were coded."""
        return OTHER_SYMBOLS if self.loaded.integers else OTHER_FLOATS

    @torch.inference_mode(False)  # parameters that are made in it could have no gradients, for whoever shares them
    def __init__(self, path: Path, info: WeightsInfo, device: str) -> None:
        super().__init__(path, info, device)
        self.torch_device = pick_device(device)
        head = read_head(path)
        try:
            with no_larger_than(len(head.entries), head.elements):
                fresh = self.build(info.config)
        except Exception as error:  # sizes that fit nothing break a model anywhere
            raise BadWeights(f"{path.name} has a config that {info.codec} cannot be built from: {error}") from error
        if not same_scope(scope_of(fresh), info.scope, info.config):
            raise BadWeights(f"the fingerprints of {path.name} cover other parts than those of {info.codec}'s models")
        model = load_model(fresh, path, floats=False).to(self.torch_device)
        self.loaded: LatentModel = model.to(memory_format=torch.channels_last)  # what convolutions are fastest on
        self.stride, self.y_stride = self.loaded.stride, self.loaded.y_stride
        self.picture_channels = self.loaded.picture_channels
        for module in self.loaded.modules():
            module.register_forward_pre_hook(pass_part if any(module.children()) else pass_layer)
        self._filled = False
        # A picture alone may have too little work to keep a device busy; see docs/hosts.md.
        self.batch_pixels = BATCH_PIXELS.get(self.torch_device.type, 0)

    @property
    def model(self) -> LatentModel:  # type: ignore[override]
        """The model with all of its parameters. Coding needs less: `loaded`, without those that its integers state."""
        if not self._filled:
            with torch.inference_mode(False):
                fill_floats(self.loaded, self.path)
            self._filled = True
        return self.loaded

    def compute_in_bfloat16(self) -> None:
        """See `PixelCodec.compute_in_bfloat16`; `nic_nn.bfloat16` says which layers do."""
        if not suits_bf16(self.torch_device.type):
            logger.warning("this %s only imitates bfloat16: --runtime torch is faster", self.torch_device.type)
        to_bfloat16(self.loaded)
        self.runtime = "torch-bf16"

    @classmethod
    def upgrade(cls, path: Path, info: WeightsInfo, output: Path, **making: Any) -> None:
        """Write weights with integer nets, from the same tensors, or with graphs where they lack only these.

        See `PixelCodec.upgrade`, and `export` for making.
        """
        opened = cls(path, info, "cpu")
        model = opened.loaded
        if model.integers is not None:
            if making or not model.graphs or has_graphs(path):
                raise NicError(f"{path.name} codes in integers already, and has the graphs that it can have")
            add_graphs(opened.model, path, output, info)
            return
        half = any(entry.dtype == "<f2" for entry in read_head(path).entries.values())
        export(model, output, info, half=half, **making)

    @classmethod
    def place(cls, device: str) -> str:
        """See `PixelCodec.place`."""
        return str(pick_device(device))

    @staticmethod
    def build(config: dict[str, Any]) -> LatentModel:
        """Return the model of a config, without weights."""
        raise NotImplementedError

    def latents(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> tuple[np.ndarray, ...]:
        """See `TiledCodec.latents`; BadWeights for weights whose entropy model is in floating point.

        Of pixels (N, H, W, C) it returns N latents.
        """
        if self.loaded.integers is None and not self.loaded.codes_in_floats:
            raise BadWeights(
                f"{self.path.name} codes in floating point, and what it writes may not decode elsewhere: it only reads "
                "files that were made with it. To write, turn it into integers: nic weights upgrade"
            )
        layers = self._layers(*self.loaded.analysis_modules)
        with torch.inference_mode(), explained_memory(pixels.shape[-3:]), progress.stage(ANALYSING, layers):
            x = to_tensor(pixels, self.loaded.stride, self.torch_device, self.loaded.picture_channels)
            y = self.analyse(x, quality, options)
            z = self.loaded.h_a(y)
        if effort := options.get(EFFORT.key, 0):
            with explained_memory(pixels.shape):
                windows = Windows(self.window, self.margin)
                y, z = refined(self.objective(pixels, quality), y, z, effort_of(effort), windows)
        return channels_last(y), channels_last(z)

    def objective(self, pixels: np.ndarray, quality: float | None) -> Objective:
        """Return what the latents of pixels (H, W, C) cost, which an effort lowers; see `tradeoff` for errors."""
        height, width, channels = pixels.shape
        with torch.inference_mode(False):  # whose tensors have no gradients
            x = to_tensor(pixels, self.stride, self.torch_device, self.picture_channels)
        gray = channels < self.picture_channels
        synthesise = partial(self.tried, quality=quality)
        return Objective(self.model, x, (height, width), synthesise, self.tradeoff(quality), gray)

    def tradeoff(self, quality: float | None) -> float:
        """Return lambda, the weight of 255^2 MSE against a bit per pixel; BadOption where the weights do not state it.

        Of weights that were trained for MS-SSIM, about what theirs stands for.
        """
        if self.info.lmbda is None:
            raise BadOption(
                f"an effort needs the lambda that {self.info.name} was trained for, and its record states none: import "
                "it anew with --lambda, or leave the effort out"
            )
        values = self.info.provenance.get("values")
        trained_for = values.get("metric") if isinstance(values, dict) else None
        return self.info.lmbda / (MS_SSIM_TO_MSE if trained_for == "ms-ssim" else 1)

    def compress_batch(
        self, pictures: Sequence[np.ndarray], quality: float | None, options: dict[str, Any]
    ) -> list[Coded]:
        """See `PixelCodec.compress_batch`: the transforms run once."""
        if options.get(EFFORT.key):  # each has a search of its own
            return super().compress_batch(pictures, quality, options)
        y, z = self.latents(np.stack(pictures), quality, self.prepared(pictures[0], options))
        coded = (self.encode_latents(y[one], z[one]) for one in each(len(pictures)))
        return [Coded((stream,), checksum) for stream, checksum in coded]

    def decompress_batch(self, files: Sequence[File], options: dict[str, Any]) -> list[np.ndarray]:
        """See `PixelCodec.decompress_batch`: the transform runs once."""
        head = files[0].header
        self.check(head)
        z_size = -(-head.height // self.stride), -(-head.width // self.stride)
        decoded = []
        for file in files:
            y_hat, found = self.decode_latents(file.units[0], z_size, head.coder, NO_EDGES)
            if found & 0xFFFF != file.header.checksum:
                raise DamagedFile(self.other_symbols)
            decoded.append(y_hat)
        size, layers = (head.height, head.width), self._layers(*self.loaded.synthesis_modules)
        with torch.inference_mode(), explained_memory(size), progress.stage(SYNTHESISING, layers):
            x_hat = self.synthesise(planes(np.concatenate(decoded), self.torch_device), head.quality, options)
            whole = Area(0, 0, head.width, head.height)
            return [to_pixels(x_hat[one], whole, head) for one in each(len(files))]

    def estimate(
        self, pixels: np.ndarray, quality: float | None, encode: dict[str, Any], decode: dict[str, Any]
    ) -> Estimated:
        """See `PixelCodec.estimate`: the model's forward pass in floating point, in one piece whatever the size."""
        if encode.get(EFFORT.key):
            raise BadOption("rates are estimated of what the analysis gives: leave the effort out")
        encode, (height, width, channels) = self.prepared(pixels, encode), pixels.shape
        ids, depth = (self.info.entropy_id, self.info.synthesis_id), 16 if pixels.dtype == np.uint16 else 8
        head = Header(width, height, channels, depth, self.info.codec, "", *ids, quality, 0)
        with torch.inference_mode(), explained_memory(pixels.shape):
            x = to_tensor(pixels, self.stride, self.torch_device, self.picture_channels)
            latents = self.model.estimate(self.analyse(x, quality, encode))
            x_hat = self.synthesise(latents.y_hat, quality, decode)
            nats = sum(value.double().sum().item() for value in latents.log_likelihoods.values())
            decoded = to_pixels(x_hat, Area(0, 0, width, height), head)
            return Estimated(-NATS_TO_BITS * nats, decoded)

    def encode_latents(self, y: np.ndarray, z: np.ndarray, edges: Edges = NO_EDGES) -> tuple[bytes, int]:
        """See `TiledCodec.encode_latents`."""
        with torch.inference_mode():
            return self.loaded.encode_latents(y, z, edges)

    def decode_latents(
        self, stream: bytes, z_size: tuple[int, int], coder: str, edges: Edges
    ) -> tuple[np.ndarray, int]:
        """See `TiledCodec.decode_latents`."""
        with torch.inference_mode():
            y_hat, checksum = self.loaded.decode_stream(stream, z_size, coder, edges)
        return channels_last(y_hat), checksum

    def synthesised(self, y_hat: np.ndarray, cut: Area, header: Header, options: dict[str, Any]) -> np.ndarray:
        """See `TiledCodec.synthesised`."""
        size, layers = (cut.height, cut.width), self._layers(*self.loaded.synthesis_modules)
        with torch.inference_mode(), explained_memory(size), progress.stage(SYNTHESISING, layers):
            x_hat = self.synthesise(planes(y_hat, self.torch_device), header.quality, options)
            return to_pixels(x_hat, cut, header)

    def _layers(self, *parts: str) -> int:
        """Return how many layers parts of the model have, and one step for what comes after them."""
        owners = [owner for part in parts if isinstance(owner := getattr(self.loaded, part), nn.Module)]
        modules = [module for owner in owners for module in owner.modules()]
        return 1 + sum(not any(module.children()) for module in modules)

    def check(self, header: Header) -> None:
        """See `TiledCodec.check`."""
        coder(header.coder)

    def analyse(self, x: Tensor, quality: float | None, options: dict[str, Any]) -> Tensor:
        """Return y of a padded picture (1, C, H, W), C the model's `picture_channels`."""
        return self.loaded.analyse(x)

    def synthesise(self, y_hat: Tensor, quality: float | None, options: dict[str, Any]) -> Tensor:
        """Return a padded picture (1, C, H, W)."""
        return self.loaded.synthesise(y_hat)

    def tried(self, y_hat: Tensor, quality: float | None) -> Tensor:
        """Return the padded picture (1, C, H, W) that an effort compares, where it depends on options of decoding."""
        return self.synthesise(y_hat, quality, {})


if hasattr(os, "register_at_fork"):
    # OpenMP's threads do not survive a fork, and more than one would be waited for, for ever.
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


def each(count: int) -> Iterator[slice]:
    """Yield the slice of each of a batch's pictures."""
    return (slice(number, number + 1) for number in range(count))


def pick_device(name: str) -> torch.device:
    """Return the torch device of a name; "auto" is the best one present. NicError where it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise NicError(f"the device {name!r} is not available: {str(error).splitlines()[0]}") from error
    return device


def pass_layer(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Count a layer, and let whoever listens end the work before it; a hook, so that no transform has to."""
    progress.step()


def pass_part(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Let whoever listens end the work before a part that consists of others."""
    progress.check()


def explained_memory(shape: tuple[int, ...]) -> AbstractContextManager[None]:
    """Turn too little memory for a picture (H, W, ...) into an error that says what to do."""
    return explained(f"for a picture of {shape[1]} x {shape[0]} pixels: try --device cpu, or a smaller picture")
