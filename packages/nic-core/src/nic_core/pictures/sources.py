"""Whatever an application has a picture in, as a `Picture`."""

import os
from typing import Any

import numpy as np
from PIL import Image

from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture, RowPicture

Source = RowPicture | Image.Image | Any  # arrays and paths too; numpy's stubs make the exact union unreadable


def picture_of(source: Source) -> RowPicture:
    """Return a Picture (or RowPicture), Pillow image, array (see `Picture.of`) or picture file as a picture.

    A picture file is a path or a URL (see `nic_core.files.places`), its bytes, or a binary file, which is read from
    where it stands to its end. Of several frames or pages of a file the first is taken. BadPicture if it cannot be one.
    """
    if isinstance(source, RowPicture):
        return source
    if isinstance(source, (str, os.PathLike)):
        return image_files.open_rows(source)
    if not isinstance(source, (np.ndarray, Image.Image)) and callable(getattr(source, "read", None)):
        source = source.read()
    if isinstance(source, (bytes, bytearray, memoryview)):
        return image_files.read_bytes(bytes(source), "the picture")
    return Picture.of(source)
