"""The codec contract: what a plugin implements, in pixels and coded units.

Core does everything around it: pictures and their metadata, the file, choosing weights, options. A plugin's
`CodecSpec.target` names a subclass of `PixelCodec`; two methods make a codec.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nic_core.errors import NicError
from nic_core.format.container import Header, Tiling
from nic_core.weights import WeightsInfo


@dataclass(frozen=True)
class Coded:
    """What `PixelCodec.compress` returns.

    units: coded bytes, one unit unless a tiling says otherwise.
    checksum: CRC-32 over the symbols in coding order; a file keeps its low 16 bits.
    coder: the entropy coder's name. params: the codec's own block for the decoder, small values.
    """

    units: tuple[bytes, ...]
    checksum: int
    coder: str = "interleaved"
    params: bytes = b""
    tiling: Tiling | None = None


class PixelCodec(ABC):
    """A codec with one set of weights in place.

    path, info: the weights file and its record. device: "auto", "cpu", "cuda", "cuda:1", "mps".
    model: the torch module, or None where a codec has none. runtime: what runs its transforms, "" where it has none.
    """

    model: Any = None
    runtime = ""

    def __init__(self, path: Path, info: WeightsInfo, device: str) -> None:
        self.path, self.info, self.device = path, info, device

    @abstractmethod
    def compress(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> Coded:
        """Code pixels (H, W, C), uint8 or uint16, C = 1 or 3, any size from 1 x 1.

        quality: 1 to 100 where the weights cover a range, otherwise None.
        options: every encode option of the codec's spec, checked.
        """

    @abstractmethod
    def decompress(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> np.ndarray:
        """Return pixels (H, W, C) of the size, channels and bit depth that the header states.

        options: every decode option of the codec's spec, checked. Raises DamagedFile where the symbols do not have
        the header's checksum.
        """

    def parts(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> dict[str, bytes]:
        """Return what a picture is coded by and a person can look at, such as a text: contents of files by suffix.

        options: as in `decompress`. Most codecs have nothing of the kind.
        """
        return {}

    @classmethod
    def upgrade(cls, path: Path, info: WeightsInfo, output: Path, **making: Path) -> None:
        """Write weights that an earlier version made as this one makes them; NicError where they are as they should be.

        path, info: the weights file and its record. output: the file to write.
        making: what integers are made from, where the user says so: see `ImporterSpec`.
        """
        raise NicError(f"weights of {info.codec} need no upgrade")
