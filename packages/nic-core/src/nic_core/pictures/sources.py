"""Whatever an application has a picture in, as a `Picture`."""

import os
from typing import Any

from PIL import Image

from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture, RowPicture

Source = RowPicture | Image.Image | Any  # arrays and paths too; numpy's stubs make the exact union unreadable


def picture_of(source: Source) -> RowPicture:
    """Return a Picture (or RowPicture), Pillow image, array (see `Picture.of`) or file (str or path) as a picture.

    Of several frames or pages of a file the first is taken. BadPicture if it cannot be one.
    """
    if isinstance(source, RowPicture):
        return source
    return image_files.open_rows(source) if isinstance(source, (str, os.PathLike)) else Picture.of(source)
