"""The codec contract: what a plugin implements, in pixels and coded units.

Core does everything around it: pictures and their metadata, the file, choosing weights, options. A plugin's
`CodecSpec.target` names a subclass of `PixelCodec`; two methods make a codec.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from nic_core.errors import BadOption, DamagedFile, NicError
from nic_core.format.container import File, Header
from nic_core.format.tiling import Area, Tiling
from nic_core.pictures.strips import Pixels
from nic_core.weights import WeightsInfo

OnDamage = Callable[[Area, DamagedFile], None]
"""Told which tile is damaged, and why."""


@dataclass(frozen=True)
class Coded:
    """What `PixelCodec.compress` and `compress_tiles` return.

    units: coded bytes, one unit unless a tiling says otherwise.
    checksum: CRC-32 over the symbols in coding order; a file keeps its low 16 bits.
    coder: the entropy coder's name. params: the codec's own block for the decoder, small values.
    tiling: of a picture in tiles; symbols: then the CRC-32 of each unit's symbols, over which `checksum` is.
    """

    units: tuple[bytes, ...]
    checksum: int
    coder: str = "interleaved"
    params: bytes = b""
    tiling: Tiling | None = None
    symbols: tuple[int, ...] = ()


@dataclass(frozen=True)
class Decoded:
    """What `PixelCodec.decompress` may return instead of pixels alone.

    checksum: CRC-32 over the decoded symbols, as `Coded.checksum`, which core compares with the file's.
    """

    pixels: np.ndarray
    checksum: int


@dataclass(frozen=True)
class Estimated:
    """What `PixelCodec.estimate` returns.

    bits: what the entropy model says that the symbols take; a file has its header besides, and what coding costs.
    pixels: (H, W, C), what the picture decodes to.
    """

    bits: float
    pixels: np.ndarray


class PixelCodec(ABC):
    """A codec with one set of weights in place.

    path, info: the weights file and its record; of a codec without weights (`CodecSpec.weights`), None and a record
    that says its quality and nothing else. device: "auto", "cpu", "cuda", "cuda:1", "mps".
    model: the torch module, or None where a codec has none. runtime: what runs its transforms, "" where it has none.
    tile: the longest side of a tile in pixels, 0 for a codec that codes pictures in one piece only; tile_step: what a
    tile's sides are multiples of. Pictures of more than tile x tile pixels are coded in tiles.
    batch_pixels: how many pixels pictures of one size have together, at most, where it is faster to code them as one
    batch than one by one; 0 where it is not.
    """

    model: Any = None
    runtime = ""
    tile = 0
    tile_step = 64
    batch_pixels = 0

    @classmethod
    def place(cls, device: str) -> str:
        """Return the name of the place that a device's name means here: what is opened twice for two, once for one."""
        return device

    def __init__(self, path: Path | None, info: WeightsInfo, device: str) -> None:
        self.path = cast(Path, path)  # whoever has no weights does not look
        self.info, self.device = info, device

    def compute_in_bfloat16(self) -> None:
        """Let the transforms, and nothing that decides a symbol, compute in bfloat16 from now on.

        Asked of codecs that were just opened, where the user wants it. BadOption from those that cannot.
        """
        raise BadOption(f"{self.info.codec} has nothing to compute in bfloat16: leave out --runtime torch-bf16")

    @abstractmethod
    def compress(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> Coded:
        """Code pixels (H, W, C), uint8 or uint16, C = 1 or 3, any size from 1 x 1.

        quality: 1 to 100 where the weights, or a codec without, cover a range, otherwise None.
        options: every encode option of the codec's spec, checked.
        """

    @abstractmethod
    def decompress(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> np.ndarray | Decoded:
        """Return pixels (H, W, C) of the size, channels and bit depth that the header states.

        options: every decode option of the codec's spec, checked. Where the symbols do not have the header's checksum
        it raises DamagedFile, or leaves that to core, which compares what `Decoded` says.
        """

    def compress_batch(
        self, pictures: Sequence[np.ndarray], quality: float | None, options: dict[str, Any]
    ) -> list[Coded]:
        """Code pictures of one size, depth and number of channels; the rest as in `compress`."""
        return [self.compress(pixels, quality, options) for pixels in pictures]

    def decompress_batch(self, files: Sequence[File], options: dict[str, Any]) -> Sequence[np.ndarray | Decoded]:
        """Return the pixels of files in one piece whose headers differ in their checksums only; as in `decompress`."""
        return [self.decompress(file.units, file.header, options) for file in files]

    def estimate(
        self, pixels: np.ndarray, quality: float | None, encode: dict[str, Any], decode: dict[str, Any]
    ) -> Estimated:
        """Return the rate of a picture as the model estimates it, and the picture decoded, without coding anything.

        pixels, quality: as in `compress`. encode, decode: every option of the codec's spec for either, checked.
        BadOption from codecs that have no model of their rate.
        """
        raise BadOption(f"{self.info.codec} does not estimate rates")

    def compress_tiles(self, pixels: Pixels, tiling: Tiling, quality: float | None, options: dict[str, Any]) -> Coded:
        """Code pixels in tiles; the rest as in `compress`. Only called where `tile` is not 0.

        pixels: an array, or strips of which slices of rows are taken, from top to bottom.
        """
        raise NotImplementedError

    def rows(
        self, file: File, area: Area, options: dict[str, Any], on_damage: OnDamage | None = None
    ) -> Iterator[np.ndarray]:
        """Yield the pixels of a part of the picture from top to bottom, (h, area.width, C) each time.

        A codec that does not say how is asked to `decompress` the whole. options: as there.
        on_damage: where given, a damaged tile is told to it and comes out gray; otherwise DamagedFile.
        """
        raise NotImplementedError

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
