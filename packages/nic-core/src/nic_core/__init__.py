"""nic: neural image compression as ordinary software. Importing it imports no torch."""

from nic_core.api import Codec, decode, encode, inspect, load
from nic_core.errors import NicError
from nic_core.format.container import Header
from nic_core.host.tables import EncodeOptions
from nic_core.host.target import Target
from nic_core.pictures.picture import Picture
from nic_core.plugins import list_codecs
from nic_core.spec import CodecSpec, Option, WeightsSpec

__version__ = "0.1.0"

__all__ = [
    "Codec",
    "CodecSpec",
    "EncodeOptions",
    "Header",
    "NicError",
    "Option",
    "Picture",
    "Target",
    "WeightsSpec",
    "decode",
    "encode",
    "inspect",
    "list_codecs",
    "load",
]
