"""nic: neural image compression as ordinary software. Importing it imports no torch.

What needs numpy or Pillow is imported when it is first asked for: the command line answers many questions without.
"""

import importlib
from typing import TYPE_CHECKING, Any

from nic_core.errors import NicError
from nic_core.plugins import list_codecs
from nic_core.spec import CodecSpec, Option, WeightsSpec

if TYPE_CHECKING:
    from nic_core.api import Codec, decode, decode_picture, encode, inspect, load
    from nic_core.format.container import Header
    from nic_core.host.tables import EncodeOptions
    from nic_core.host.target import Target
    from nic_core.pictures.picture import Picture, RowPicture

__version__ = "0.1.0"

__all__ = [
    "Codec",
    "CodecSpec",
    "EncodeOptions",
    "Header",
    "NicError",
    "Option",
    "Picture",
    "RowPicture",
    "Target",
    "WeightsSpec",
    "decode",
    "decode_picture",
    "encode",
    "inspect",
    "list_codecs",
    "load",
]

_PLACES = {
    **dict.fromkeys(("Codec", "decode", "decode_picture", "encode", "inspect", "load"), "nic_core.api"),
    "Header": "nic_core.format.container",
    "EncodeOptions": "nic_core.host.tables",
    "Target": "nic_core.host.target",
    **dict.fromkeys(("Picture", "RowPicture"), "nic_core.pictures.picture"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(importlib.import_module(_PLACES[name]), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
