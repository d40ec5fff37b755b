"""From pixels to latents and back without torch: the codec that a latent model's graphs and integers make."""

from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from nic_core import progress
from nic_core.coding import Interleaved
from nic_core.errors import BadWeights, UnsupportedFile
from nic_core.format.container import Header
from nic_core.format.tiling import Area
from nic_core.weights import WeightsInfo

from nic_latent.graphs import ANALYSIS, SYNTHESIS, Graph
from nic_latent.integers.edges import NO_EDGES, Edges
from nic_latent.loading import entropy_model, read_arrays
from nic_latent.orders.context import Order
from nic_latent.tiles.tiled import ANALYSING, SYNTHESISING, TiledCodec


class GraphCodec(TiledCodec):
    """A codec of latents whose transforms are graphs in its weights file, run by onnxruntime.

    It codes what `nic_nn.codec.LatentCodec` codes with the same weights: the same symbols from the same latents, and
    pixels within one level. A subclass says how y is coded and what the graphs are given besides pixels and latents.
    """

    runtime = "onnxruntime"

    def __init__(self, path: Path, info: WeightsInfo, device: str) -> None:
        super().__init__(path, info, device)
        self._arrays = read_arrays(path)
        try:
            order, self.y_channels = self.coding(info.config)
        except ValueError as error:
            raise BadWeights(f"{path.name} has a config that {info.codec} cannot be built from: {error}") from error
        ratio = self.stride // self.y_stride
        self.entropy = entropy_model(self._arrays, order, ratio, self.y_channels, path)

    @abstractmethod
    def coding(self, config: dict[str, Any]) -> tuple[Order, int]:
        """Return the order in which y is coded and how many channels it has; ValueError for a config that is none."""

    def inputs(self, quality: float | None, options: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return what the graphs are given by name, besides "x" and "y_hat"."""
        return {}

    @cached_property
    def analysis(self) -> Graph:
        """x to y and z."""
        return Graph(ANALYSIS, self._arrays, self.path, self.device)

    @cached_property
    def synthesis(self) -> Graph:
        """y_hat to x_hat."""
        return Graph(SYNTHESIS, self._arrays, self.path, self.device)

    def latents(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> tuple[np.ndarray, ...]:
        """See `TiledCodec.latents`."""
        analysis = self.analysis  # read where that is the first time, which is no part of the stage
        with progress.stage(ANALYSING):
            x = to_numbers(pixels, self.stride, self.picture_channels)
            return tuple(channels_last(latent) for latent in analysis(x=x, **self.inputs(quality, options)))

    def encode_latents(self, y: np.ndarray, z: np.ndarray, edges: Edges = NO_EDGES) -> tuple[bytes, int]:
        """See `TiledCodec.encode_latents`."""
        return self.entropy.encode(y, z, Interleaved(), edges)

    def decode_latents(
        self, stream: bytes, z_size: tuple[int, int], coder: str, edges: Edges
    ) -> tuple[np.ndarray, int]:
        """See `TiledCodec.decode_latents`."""
        y_hat, checksum = self.entropy.decode(stream, z_size, self.y_channels, Interleaved(), edges)
        return y_hat.numbers.astype(np.float32), checksum

    def synthesised(self, y_hat: np.ndarray, cut: Area, header: Header, options: dict[str, Any]) -> np.ndarray:
        """See `TiledCodec.synthesised`."""
        synthesis = self.synthesis
        with progress.stage(SYNTHESISING):
            latent = np.ascontiguousarray(y_hat.transpose(0, 3, 1, 2))
            (x_hat,) = synthesis(y_hat=latent, **self.inputs(header.quality, options))
            return to_pixels(x_hat, cut, header)

    def check(self, header: Header) -> None:
        """See `TiledCodec.check`."""
        if header.coder != Interleaved.name:
            raise UnsupportedFile(f"the file was coded with {header.coder!r}, which needs torch: --runtime torch")


def to_numbers(pixels: np.ndarray, stride: int, channels: int) -> np.ndarray:
    """Return pixels (H, W, 1 or `channels`) as float32 (1, channels, H', W') in [0, 1].

    The edges are repeated to multiples of `stride`.
    """
    height, width, given = pixels.shape
    padded = np.pad(pixels, ((0, -height % stride), (0, -width % stride), (0, 0)), "edge")
    planes = np.ascontiguousarray(padded.transpose(2, 0, 1)).astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return np.repeat(planes, channels // given, 0)[None]


def to_pixels(x_hat: np.ndarray, cut: Area, like: Header) -> np.ndarray:
    """Return the cut of a synthesised picture (1, 1 or 3, H', W') as (h, w, C), in the header's channels and depth."""
    planes = np.clip(x_hat[0, :, cut.y : cut.bottom, cut.x : cut.right], 0, 1)
    if like.channels == 1:
        planes = planes.mean(0, keepdims=True)
    dtype = np.uint16 if like.bit_depth == 16 else np.uint8
    scaled = np.rint(planes * np.float32(np.iinfo(dtype).max)).astype(dtype)
    return np.ascontiguousarray(np.broadcast_to(scaled, (like.channels, *scaled.shape[1:])).transpose(1, 2, 0))


def channels_last(latent: np.ndarray) -> np.ndarray:
    """Return (N, C, h, w) as float64 (N, h, w, C)."""
    return np.ascontiguousarray(latent.transpose(0, 2, 3, 1)).astype(np.float64)
