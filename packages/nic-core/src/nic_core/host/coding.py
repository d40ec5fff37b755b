"""From a picture to its file: coded in one piece, or in tiles where it is large or its caller wants them."""

import itertools
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from nic_core import progress
from nic_core.codec import Coded, PixelCodec
from nic_core.errors import BadOption, TargetUnreachable
from nic_core.format import chunks
from nic_core.format.container import File, Header, pack
from nic_core.format.tiling import Tiling
from nic_core.host.boundary import Boundary
from nic_core.host.target import Target, Trial, search
from nic_core.pictures.picture import RowPicture
from nic_core.pictures.sources import Source, picture_of
from nic_core.spec import CodecSpec

logger = logging.getLogger("nic")


@dataclass(frozen=True)
class Ladder:
    """What the search for a target goes up and down.

    codec: its id. qualities: rising. at: makes the file of a quality. decode: see `Codec.decode_rows`.
    """

    codec: str
    qualities: list[float]
    at: Callable[[float], bytes]
    decode: Callable[..., RowPicture]


def file_of(
    picture: RowPicture,
    extra: dict[str, bytes],
    codec: Boundary,
    quality: float | None,
    options: dict[str, Any],
    tile: int | None,
) -> bytes:
    """Return a picture's file; BadOption for tiles of a codec that has none, or of no length. PluginFault.

    extra: its chunks. quality: that its weights take. options: checked. tile: longest side in pixels that the caller
    wants.
    """
    tiling = tiling_of(codec.codec, picture.width, picture.height, tile)
    if tiling is not None:
        logger.info(
            "%d x %d tiles of %d x %d pixels",
            *(tiling.columns(picture.width), tiling.rows(picture.height), tiling.width, tiling.height),
        )
    coded = codec.compressed(picture.pixels, tiling, quality_for(codec, quality), options)
    return packed(picture, extra, codec, quality, coded)


def files_of(
    pictures: list[RowPicture], codec: Boundary, quality: float | None, options: dict[str, Any]
) -> list[bytes]:
    """Return the files of pictures of one size, coded as a batch; otherwise as `file_of`."""
    assert tiling_of(codec.codec, pictures[0].width, pictures[0].height, None) is None
    pixels = [np.asarray(picture.pixels) for picture in pictures]
    files = []
    for picture, coded in zip(
        pictures, codec.compressed_batch(pixels, quality_for(codec, quality), options), strict=True
    ):
        extra = chunks.of_picture(picture)
        files.append(packed(picture, extra, codec, quality, coded))
        note_what_is_large(extra, files[-1])
    return files


def file_for(
    target: Target,
    picture: RowPicture,
    extra: dict[str, bytes],
    ladder: Ladder,
    on_trial: Callable[[int], None] | None,
) -> bytes:
    """Return the file of a picture, with these chunks, that meets a target; see `Codec.encode`."""
    if len(ladder.qualities) < 2:
        raise BadOption(f"{ladder.codec} has no ladder of qualities to search here: it has a single rate")
    numbers = itertools.count(1)
    decode = partial(ladder.decode, max_pixels=picture.width * picture.height, max_seconds=math.inf)

    def attempt(quality: float) -> Trial:
        if on_trial:
            on_trial(next(numbers))
        data = ladder.at(quality)
        return Trial(quality, data, target.measure(data, picture, decode))

    try:
        return search(attempt, ladder.qualities, target).data
    except TargetUnreachable as error:
        metadata = chunks.metadata_bytes(extra)
        if target.limits_rate and 10 * metadata > len(error.nearest.data):
            error.args = (f"{error}; {metadata} bytes of it are metadata, which --strip leaves out",)
        raise


def quality_for(codec: Boundary, quality: float | None) -> float | None:
    """Return what a codec is told of the quality that was taken: nothing where it has but one."""
    return quality if codec.codec.info.covers_range else None


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


def packed(picture: RowPicture, extra: dict[str, bytes], codec: Boundary, quality: float | None, coded: Coded) -> bytes:
    """Return the file of a coded picture. extra: its chunks. quality: that the file states."""
    info = codec.codec.info
    header = Header(
        picture.width,
        picture.height,
        picture.channels,
        picture.bit_depth,
        codec.spec.id,
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
