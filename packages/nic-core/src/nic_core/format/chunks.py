"""What a picture has besides coded pixels, as optional chunks of the file: alpha, ICC profile, EXIF, XMP, dpi."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nic_core.errors import BadPicture, DamagedFile
from nic_core.format.container import File, compress_chunk, expand_chunk
from nic_core.format.resolution import RESOLUTION, pack, stated
from nic_core.pictures import metadata, png
from nic_core.pictures.dpi import same_dpi
from nic_core.pictures.picture import RowPicture
from nic_core.pictures.strips import Pixels, Strips, bands, mapped

ALPHA = "alph"
METADATA = {"iccp": "icc", "exif": "exif", "xmpp": "xmp"}
"""Chunk type by attribute of `Picture`; stored deflated."""


def of_picture(picture: RowPicture) -> dict[str, bytes]:
    """Return the chunks of a picture. Alpha is a one-channel PNG, so it stays lossless at either depth.

    A resolution that EXIF states as well has no chunk.
    """
    found = {
        kind: compress_chunk(data) for kind, name in METADATA.items() if (data := getattr(picture, name)) is not None
    }
    if picture.alpha is not None:
        found[ALPHA] = png.encode(RowPicture(mapped(picture.alpha, lambda alpha: alpha[..., None])))
    if picture.dpi is not None and not same_dpi(picture.dpi, metadata.resolution(picture.exif)):
        found[RESOLUTION] = pack(picture.dpi)
    return found


def metadata_bytes(chunks: dict[str, bytes]) -> int:
    """Return how many bytes of a file the metadata among its chunks take."""
    return sum(len(data) for kind, data in chunks.items() if kind in METADATA)


def to_picture(pixels: Pixels, alpha: Pixels | None, chunks: dict[str, bytes]) -> RowPicture:
    """Return decoded pixels and alpha with the metadata that the chunks hold; DamagedFile where they are none."""
    return RowPicture(pixels, alpha, **metadata_of(chunks))


def metadata_of(chunks: dict[str, bytes]) -> dict[str, Any]:
    """Return icc, exif, xmp and dpi of a `Picture`, as far as chunks hold them; DamagedFile for damaged ones."""
    found: dict[str, Any] = {name: expand_chunk(chunks[kind]) for kind, name in METADATA.items() if kind in chunks}
    return {**found, "dpi": stated(chunks) if RESOLUTION in chunks else metadata.resolution(found.get("exif"))}


def alpha_of(file: File) -> Pixels | None:
    """Return the alpha of a file, (H, W), None where it has none; DamagedFile where it does not fit the picture.

    What it holds is unpacked when its rows are taken, which raises DamagedFile, too.
    """
    data, expected = file.chunks.get(ALPHA), file.header
    if data is None:
        return None
    with _explained():
        # First: a few bytes of PNG can claim any number of pixels.
        head = png.header(data)
        wanted = (expected.width, expected.height, expected.bit_depth, True)
        if (head.width, head.height, head.depth, head.is_gray) != wanted:
            raise BadPicture(
                f"it is no PNG of {expected.width} x {expected.height} pixels, one channel of {expected.bit_depth} bits"
            )
        picture = png.rows(data)
        if picture.alpha is not None:
            raise BadPicture("it has a transparent colour")

    def make() -> Iterator[np.ndarray]:
        with _explained():
            for _, part in bands(picture.pixels):
                yield part[..., 0]

    return Strips((expected.height, expected.width), picture.pixels.dtype, make)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (MemoryError, DamagedFile):
        raise
    except Exception as error:  # what the PNG decoder raises on damaged data has no common base
        raise DamagedFile(f"the alpha chunk is damaged: {error}") from error
