"""From pixels to latents and back, tile by tile: what every codec of latents does, whatever runs its transforms.

Latents are divided among tiles without overlap, and each tile is coded for itself. The transforms see more than a tile:
as many pixels and latents of its neighbours as its halo says, so that nothing is lost at its borders.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from nic_core import progress
from nic_core.ahead import ahead
from nic_core.codec import Coded, OnDamage, PixelCodec
from nic_core.format.container import File, Header
from nic_core.format.sums import combined
from nic_core.format.tiling import Area, Tiling
from nic_core.pictures.strips import Pixels

from nic_latent.integers.edges import NO_EDGES, Edges
from nic_latent.tiles.geometry import Geometry, Reach, check_sizes
from nic_latent.tiles.untiling import OTHER_SYMBOLS, Untiling

ANALYSING, SYNTHESISING = "analysing the picture", "synthesising the picture"
"""What the transforms report to `nic_core.progress`; coding latents is reported by whoever codes them."""


class TiledCodec(PixelCodec):
    """A codec of latents; a subclass runs the transforms and the entropy model.

    stride, y_stride, picture_channels: as of `nic_nn.model.LatentModel`.
    """

    tile = 1536
    stride = 64
    y_stride = 16
    picture_channels = 3
    other_symbols = OTHER_SYMBOLS

    @property
    def reach(self) -> Reach:
        """What the transforms see around a tile, where the codec knows no better."""
        return Reach(128)

    @abstractmethod
    def latents(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> tuple[np.ndarray, ...]:
        """Return y and z of pixels (H, W, C), (1, h, w, C) numbers each; sides are padded to whole strides."""

    @abstractmethod
    def encode_latents(self, y: np.ndarray, z: np.ndarray, edges: Edges = NO_EDGES) -> tuple[bytes, int]:
        """Return the stream of latents and the checksum of its symbols; edges: where other tiles are."""

    @abstractmethod
    def decode_latents(
        self, stream: bytes, z_size: tuple[int, int], coder: str, edges: Edges
    ) -> tuple[np.ndarray, int]:
        """Return y_hat (1, h, w, C) of a stream, in numbers, and its checksum; z_size: height and width of z.

        DamagedFile where the stream is not one of that size.
        """

    @abstractmethod
    def synthesised(self, y_hat: np.ndarray, cut: Area, header: Header, options: dict[str, Any]) -> np.ndarray:
        """Return pixels (cut.height, cut.width, C) of y_hat (1, h, w, C) float32, in the header's channels and depth.

        cut: in pixels of what is synthesised.
        """

    def check(self, header: Header) -> None:
        """Raise UnsupportedFile where a file needs what this codec lacks."""

    def prepared(self, pixels: Pixels, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options with what is found out from the whole picture, once for all of its tiles."""
        return options

    def compress(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> Coded:
        """See `PixelCodec.compress`."""
        y, z = self._latents(pixels, quality, self.prepared(pixels, options))
        stream, checksum = self.encode_latents(y, z)
        return Coded((stream,), checksum)

    def compress_tiles(self, pixels: Pixels, tiling: Tiling, quality: float | None, options: dict[str, Any]) -> Coded:
        """See `PixelCodec.compress_tiles`."""
        options = self.prepared(pixels, options)
        height, width = pixels.shape[:2]
        picture, areas = Area(0, 0, width, height), list(tiling.areas(width, height))

        def latents() -> Iterator[tuple[Any, ...]]:
            for area in areas:
                seen = area.grown(self.reach.halo).within(picture)
                if area.x == 0:
                    rows = pixels[seen.y : seen.bottom]
                found = self._latents(rows[:, seen.x : seen.right], quality, options)
                padded = Area(area.x, area.y, *(side + -side % self.stride for side in (area.width, area.height)))
                y, z = (_cut(latent, padded, seen, size) for latent, size in zip(found, self._sizes, strict=True))
                yield y, z, Edges.of(area, picture)

        coded = ahead(lambda found: self.encode_latents(*found), latents(), len(areas), threads=1)
        units, symbols = zip(*progress.track(coded, "encoding tiles", len(areas)), strict=True)
        return Coded(units, combined(symbols), tiling=tiling, symbols=symbols)

    def decompress(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> np.ndarray:
        """See `PixelCodec.decompress`."""
        whole = Area(0, 0, header.width, header.height)
        return np.concatenate(list(self.rows(File(header, units), whole, options)))

    def rows(
        self, file: File, area: Area, options: dict[str, Any], on_damage: OnDamage | None = None
    ) -> Iterator[np.ndarray]:
        """See `PixelCodec.rows`."""
        head = file.header
        self.check(head)
        geometry = Geometry.of(head, self.tile, self.stride, self.reach)

        def decode(stream: bytes, tile: Area) -> tuple[np.ndarray, int]:
            z_size = tile.height // self.stride, tile.width // self.stride
            y_hat, checksum = self.decode_latents(stream, z_size, head.coder, Edges.of(tile, geometry.padded))
            self._check_sizes((tile.height, tile.width), y_hat.shape, (1, *z_size))
            return y_hat, checksum

        def synthesise(y_hat: np.ndarray, cut: Area) -> np.ndarray:
            return self.synthesised(y_hat, cut, head, options)

        return Untiling(file, geometry, area, self.y_stride, decode, synthesise, on_damage, self.other_symbols).rows()

    def _latents(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> tuple[np.ndarray, ...]:
        """Return `latents`, which are of the sizes that the strides say."""
        y, z = self.latents(pixels, quality, options)
        height, width = (side + -side % self.stride for side in pixels.shape[:2])
        self._check_sizes((height, width), y.shape, z.shape)
        return y, z

    def _check_sizes(self, picture: tuple[int, int], y: tuple[int, ...], z: tuple[int, ...]) -> None:
        check_sizes(f"the codec {self.info.codec}", picture, (y[1], y[2]), (z[1], z[2]), self.y_stride, self.stride)

    @property
    def _sizes(self) -> tuple[int, int]:
        """How many pixels a position of y and of z covers in each direction."""
        return self.y_stride, self.stride


def _cut(latent: np.ndarray, area: Area, seen: Area, size: int) -> np.ndarray:
    """Return what a latent (1, h, w, C) of an area that was seen has of a part of it; size: pixels of a position."""
    top, left = (area.y - seen.y) // size, (area.x - seen.x) // size
    return latent[:, top : top + area.height // size, left : left + area.width // size]
