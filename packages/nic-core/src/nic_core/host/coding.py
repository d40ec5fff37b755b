"""From a picture to its file: coded in one piece, or in tiles where it is large or its caller wants them."""

import logging
from typing import Any

from nic_core import progress
from nic_core.codec import Coded, PixelCodec
from nic_core.errors import BadOption
from nic_core.format import chunks
from nic_core.format.container import File, Header, pack
from nic_core.format.tiling import Tiling
from nic_core.host.boundary import Boundary
from nic_core.pictures.picture import RowPicture
from nic_core.pictures.sources import Source, picture_of
from nic_core.pictures.strips import Pixels
from nic_core.spec import CodecSpec
from nic_core.weights import WeightsInfo

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


def prepared(source: Source, spec: CodecSpec, strip: bool) -> RowPicture:
    """Return a picture as a codec takes it. strip: without metadata, see `nic_core.host.codec.Codec.encode`."""
    picture = picture_of(source)
    if strip:
        picture = picture.stripped()
    if spec.upright:
        picture = picture.upright()
    return picture.to_gray() if spec.gray else picture


def packed(
    picture: RowPicture,
    extra: dict[str, bytes],
    codec: str,
    info: WeightsInfo,
    quality: float | None,
    coded: Coded,
) -> bytes:
    """Return the file of a coded picture. extra: its chunks. info: of the weights. quality: that the file states."""
    header = Header(
        picture.width,
        picture.height,
        picture.channels,
        picture.bit_depth,
        codec,
        coded.coder,
        info.entropy_id,
        info.synthesis_id,
        quality,
        coded.checksum & 0xFFFF,
        coded.params,
        coded.tiling,
    )
    return pack(File(header, coded.units, extra, coded.symbols))


def note_what_is_large(extra: dict[str, bytes], data: bytes) -> None:
    """Say so where metadata or alpha, of a file's chunks, are most of it."""
    metadata, alpha = chunks.metadata_bytes(extra), len(extra.get(chunks.ALPHA, b""))
    if 2 * metadata > len(data):
        progress.note(f"{metadata} of {len(data)} bytes are metadata, which --strip leaves out")
    if 2 * alpha > len(data):
        progress.note(f"{alpha} of {len(data)} bytes are the alpha channel, which is kept losslessly")
