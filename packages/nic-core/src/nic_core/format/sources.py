"""The bytes of a .nic file, wherever an application has them."""

import os
from typing import Any, BinaryIO

from nic_core.errors import BadOption, CannotRead
from nic_core.files import places
from nic_core.format.container import Data

Source = Data | str | os.PathLike[str] | BinaryIO
"""Bytes, a path, a URL of fsspec's, or a binary file, which is read from where it stands to its end."""


def data_of(source: Source) -> Data:
    """Return the bytes; CannotRead where there is no such file, BadOption for what is none of these."""
    if isinstance(source, (str, os.PathLike)):
        try:
            return places.read_bytes(source)
        except (OSError, ValueError) as error:
            raise CannotRead(f"cannot read {str(source)[:200]}: {getattr(error, 'strerror', '') or error}") from error
    data: Any = source.read() if hasattr(source, "read") else source
    try:
        memoryview(data)
    except TypeError as error:
        raise BadOption(f"a .nic file is bytes, a path or a binary file, not {type(source).__name__}") from error
    return data  # type: ignore[no-any-return]
