"""Decodes the tiles that an area needs and puts it together, from top to bottom."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from nic_core import progress
from nic_core.ahead import ahead
from nic_core.codec import OnDamage
from nic_core.errors import DamagedFile
from nic_core.format.container import File
from nic_core.format.sums import combined
from nic_core.format.tiling import Area

from nic_latent.tiles.geometry import Geometry
from nic_latent.tiles.mosaic import Mosaic

OTHER_SYMBOLS = "the decoded symbols are not those that were coded"
Decode = Callable[[bytes, Area], tuple[np.ndarray, int]]
"""Returns y_hat (1, h, w, C) of a stream, whose tile has an area, and the checksum of its symbols."""
Synthesise = Callable[[np.ndarray, Area], np.ndarray]
"""Returns pixels (cut.height, cut.width, C) of y_hat; the cut is in pixels of the area that y_hat covers."""


@dataclass(frozen=True)
class Untiling:
    """How an area of a file's picture is decoded; `decode` is called in a thread of its own.

    y_stride: pixels that a position of y covers in each direction. on_damage: see `PixelCodec.rows`.
    other_symbols: what errors say about symbols that are not those that were coded.
    """

    file: File
    geometry: Geometry
    area: Area
    y_stride: int
    decode: Decode
    synthesise: Synthesise
    on_damage: OnDamage | None = None
    other_symbols: str = OTHER_SYMBOLS

    def rows(self) -> Iterator[np.ndarray]:
        """Yield the pixels of the area, in strips."""
        geometry = self.geometry
        blocks = [block for block in geometry.blocks if block.meets(self.area)]
        needed = self._needed(blocks)
        decoded = self._decoded(needed)
        mosaic, damaged, last = Mosaic(self.y_stride), list[Area](), -1
        for _, row in groupby(blocks, key=lambda block: block.y):
            parts: list[np.ndarray] = []
            for block in row:
                target = geometry.target(block, self.area)
                seen = geometry.seen(target)
                if not parts:
                    mosaic.forget_above(seen.y)
                wanted = max(number for number in needed if geometry.tiles[number].meets(seen))
                while last < wanted:
                    last, y_hat = next(decoded)
                    if y_hat is None:
                        damaged.append(geometry.tiles[last])
                    else:
                        mosaic.put(geometry.tiles[last], y_hat)
                parts.append(self._part(mosaic, seen, target, damaged))
            yield np.concatenate(parts, 1)
        next(decoded, None)  # nothing is left, but that it is over is reported, and the sum of all symbols compared

    def _needed(self, blocks: list[Area]) -> list[int]:
        """Return the numbers of the tiles of which the synthesis of blocks sees something."""
        geometry = self.geometry
        seen = [geometry.seen(geometry.target(block, self.area)) for block in blocks]
        return [number for number, tile in enumerate(geometry.tiles) if any(map(tile.meets, seen))]

    def _decoded(self, needed: list[int]) -> Iterator[tuple[int, np.ndarray | None]]:
        """Yield (number, y_hat) of tiles, None for a damaged one."""
        results = ahead(self._tile, needed, len(needed), threads=1)
        if len(needed) > 1:
            results = progress.track(results, "decoding tiles", len(needed))
        sums: list[int] = []
        for number, (y_hat, found) in zip(needed, results, strict=True):
            if y_hat is not None:
                sums.append(found)
            yield number, y_hat
        if len(sums) == len(self.file.units) > 1 and combined(sums) & 0xFFFF != self.file.header.checksum:
            raise DamagedFile(self.other_symbols)

    def _tile(self, number: int) -> tuple[np.ndarray | None, int]:
        """Return y_hat of a tile and the checksum of its symbols."""
        tile, file = self.geometry.tiles[number], self.file
        try:
            if not file.units[number]:
                raise DamagedFile("its bytes are damaged or missing")
            try:
                y_hat, found = self.decode(file.units[number], tile)
            except DamagedFile as error:
                raise DamagedFile(f"{self.other_symbols}: {error}") from error
            if file.header.tiling is None and found & 0xFFFF != file.header.checksum:
                raise DamagedFile(self.other_symbols)
            if file.symbols and found != file.symbols[number]:
                raise DamagedFile(self.other_symbols)
        except DamagedFile as error:
            if self.on_damage is None or file.header.tiling is None:
                raise
            picture = Area(0, 0, file.header.width, file.header.height)
            self.on_damage(tile.within(picture), error)
            return None, 0
        return y_hat, found

    def _part(self, mosaic: Mosaic, seen: Area, target: Area, damaged: list[Area]) -> np.ndarray:
        """Return the pixels that a target has of the area; damaged tiles are gray."""
        head, shown = self.file.header, target.within(self.area)
        depth, gray = (np.uint16, 1 << 15) if head.bit_depth == 16 else (np.uint8, 1 << 7)
        if any(tile.within(target) == target for tile in damaged if tile.meets(target)):
            return np.full((shown.height, shown.width, head.channels), gray, depth)
        cut = Area(target.x - seen.x, target.y - seen.y, target.width, target.height)
        pixels = self.synthesise(mosaic.block(seen), cut)
        for tile in damaged:
            if tile.meets(target):
                lost = tile.within(target)
                pixels[lost.y - target.y : lost.bottom - target.y, lost.x - target.x : lost.right - target.x] = gray
        return pixels[shown.y - target.y : shown.bottom - target.y, shown.x - target.x : shown.right - target.x]
