"""From pixels to coded units: in one piece, or in tiles where a picture is large or its caller wants them."""

import logging
from typing import Any

from nic_core.codec import Coded, PixelCodec
from nic_core.errors import BadOption
from nic_core.format.tiling import Tiling
from nic_core.host.boundary import Boundary
from nic_core.pictures.strips import Pixels

logger = logging.getLogger("nic")


def compressed(
    codec: Boundary, pixels: Pixels, quality: float | None, options: dict[str, Any], tile: int | None
) -> Coded:
    """Return a picture's coded units; BadOption for tiles of a codec that has none, or of no length. PluginFault.

    quality, options: as `PixelCodec.compress` wants them. tile: longest side in pixels that the caller wants.
    """
    height, width = pixels.shape[:2]
    tiling = tiling_of(codec.codec, width, height, tile)
    if tiling is not None:
        logger.info(
            "%d x %d tiles of %d x %d pixels",
            *(tiling.columns(width), tiling.rows(height), tiling.width, tiling.height),
        )
    return codec.compressed(pixels, tiling, quality, options)


def tiling_of(codec: PixelCodec, width: int, height: int, tile: int | None) -> Tiling | None:
    """Return the tiles that a picture is coded in, None for one piece."""
    if tile is None:
        if not codec.tile or width * height <= codec.tile**2:
            return None
        tile = codec.tile
    elif not codec.tile:
        raise BadOption(f"{codec.info.codec} codes pictures in one piece, it has no tiles")
    if tile < codec.tile_step:
        raise BadOption(f"a tile of {codec.info.codec} has sides of at least {codec.tile_step} pixels, not {tile}")
    tiling = Tiling.of(width, height, tile // codec.tile_step * codec.tile_step, codec.tile_step)
    return None if tiling.unit_count(width, height) == 1 else tiling
