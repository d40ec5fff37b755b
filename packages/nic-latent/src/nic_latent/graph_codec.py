"""From pixels to latents and back without torch: the codec that a latent model's graphs and integers make."""

from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from nic_core.codec import Coded, PixelCodec
from nic_core.coding import Interleaved
from nic_core.errors import BadWeights, DamagedFile, UnsupportedFile
from nic_core.format.container import Header
from nic_core.weights import WeightsInfo

from nic_latent.context import Order
from nic_latent.graphs import ANALYSIS, SYNTHESIS, Graph
from nic_latent.loading import entropy_model, read_arrays

OTHER_SYMBOLS = "the decoded symbols are not those that were coded"


class GraphCodec(PixelCodec):
    """A codec of latents whose transforms are graphs in its weights file, run by onnxruntime.

    It codes what `nic_nn.codec.LatentCodec` codes with the same weights: the same symbols from the same latents, and
    pixels within one level. A subclass says how y is coded and what the graphs are given besides pixels and latents.

    stride, y_stride, picture_channels: as of `nic_nn.model.LatentModel`.
    """

    runtime = "onnxruntime"
    stride = 64
    y_stride = 16
    picture_channels = 3

    def __init__(self, path: Path, info: WeightsInfo, device: str) -> None:
        super().__init__(path, info, device)
        self._arrays = read_arrays(path)
        try:
            order, self.y_channels = self.latents(info.config)
        except ValueError as error:
            raise BadWeights(f"{path.name} has a config that {info.codec} cannot be built from: {error}") from error
        ratio = self.stride // self.y_stride
        self.entropy = entropy_model(self._arrays, order, ratio, self.y_channels, path)

    @abstractmethod
    def latents(self, config: dict[str, Any]) -> tuple[Order, int]:
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

    def compress(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> Coded:
        """See `PixelCodec.compress`."""
        x = to_numbers(pixels, self.stride, self.picture_channels)
        y, z = self.analysis(x=x, **self.inputs(quality, options))
        stream, checksum = self.entropy.encode(channels_last(y), channels_last(z), Interleaved())
        return Coded((stream,), checksum)

    def decompress(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> np.ndarray:
        """See `PixelCodec.decompress`."""
        if header.coder != Interleaved.name:
            raise UnsupportedFile(f"the file was coded with {header.coder!r}, which needs torch: --runtime torch")
        if len(units) != 1:
            raise DamagedFile(f"{self.info.codec} codes a picture in one unit, the file has {len(units)}")
        z_size = (-(-header.height // self.stride), -(-header.width // self.stride))
        try:
            y_hat, checksum = self.entropy.decode(units[0], z_size, self.y_channels, Interleaved())
        except DamagedFile as error:
            raise DamagedFile(f"{OTHER_SYMBOLS}: {error}") from error
        if checksum & 0xFFFF != header.checksum:
            raise DamagedFile(OTHER_SYMBOLS)
        latent = np.ascontiguousarray(y_hat.numbers.astype(np.float32).transpose(0, 3, 1, 2))
        (x_hat,) = self.synthesis(y_hat=latent, **self.inputs(header.quality, options))
        return to_pixels(x_hat, header)


def to_numbers(pixels: np.ndarray, stride: int, channels: int) -> np.ndarray:
    """Return pixels (H, W, 1 or `channels`) as float32 (1, channels, H', W') in [0, 1].

    The edges are repeated to multiples of `stride`.
    """
    height, width, given = pixels.shape
    padded = np.pad(pixels, ((0, -height % stride), (0, -width % stride), (0, 0)), "edge")
    planes = np.ascontiguousarray(padded.transpose(2, 0, 1)).astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return np.repeat(planes, channels // given, 0)[None]


def to_pixels(x_hat: np.ndarray, header: Header) -> np.ndarray:
    """Return a synthesised picture (1, 1 or 3, H', W') as (H, W, C) in the header's size, channels and depth."""
    planes = np.clip(x_hat[0, :, : header.height, : header.width], 0, 1)
    if header.channels == 1:
        planes = planes.mean(0, keepdims=True)
    dtype = np.uint16 if header.bit_depth == 16 else np.uint8
    scaled = np.rint(planes * np.float32(np.iinfo(dtype).max)).astype(dtype)
    return np.ascontiguousarray(np.broadcast_to(scaled, (header.channels, *scaled.shape[1:])).transpose(1, 2, 0))


def channels_last(latent: np.ndarray) -> np.ndarray:
    """Return (N, C, h, w) as float64 (N, h, w, C)."""
    return np.ascontiguousarray(latent.transpose(0, 2, 3, 1)).astype(np.float64)
