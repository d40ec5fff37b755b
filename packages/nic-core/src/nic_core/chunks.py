"""What a picture has besides coded pixels, as optional chunks of the file: alpha, ICC profile, EXIF, XMP."""

import numpy as np

from nic_core import image_files
from nic_core.container import compress_chunk, expand_chunk
from nic_core.errors import BadPicture, DamagedFile
from nic_core.picture import Picture

ALPHA = "alph"
METADATA = {"iccp": "icc", "exif": "exif", "xmpp": "xmp"}
"""Chunk type by attribute of `Picture`; stored deflated."""


def of_picture(picture: Picture) -> dict[str, bytes]:
    """Return the chunks of a picture. Alpha is a one-channel PNG, so it stays lossless at either depth."""
    found = {
        kind: compress_chunk(data) for kind, name in METADATA.items() if (data := getattr(picture, name)) is not None
    }
    if picture.alpha is not None:
        found[ALPHA] = image_files.encode(Picture(picture.alpha[..., None]), "png")
    return found


def to_picture(pixels: np.ndarray, chunks: dict[str, bytes]) -> Picture:
    """Return decoded pixels with what the chunks hold; DamagedFile where they do not fit."""
    metadata = {name: expand_chunk(chunks[kind]) for kind, name in METADATA.items() if kind in chunks}
    alpha = None
    if ALPHA in chunks:
        try:
            alpha = image_files.read_bytes(chunks[ALPHA], "the alpha chunk").pixels[..., 0]
            return Picture(pixels, alpha, **metadata)
        except BadPicture as error:
            raise DamagedFile(f"the alpha chunk does not fit: {error}") from error
    return Picture(pixels, None, **metadata)
