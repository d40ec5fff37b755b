"""What nic-waves brings; imports nothing heavy, since `nic` runs it whenever it starts."""

from collections.abc import Iterator

from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec

api_version = "1.0"


@hookimpl
def nic_codecs() -> Iterator[CodecSpec]:
    """The codec."""
    yield CodecSpec(
        id="waves",
        target="nic_waves.codec:Waves",
        summary="Lossless: predicted from neighbours, coded along antidiagonals.",
        paper="Weinberger, Seroussi, Sapiro: The LOCO-I Lossless Image Compression Algorithm, 2000",
        weights=False,
    )
