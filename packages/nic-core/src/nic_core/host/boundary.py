"""Where core meets a plugin's codec: what comes from it is looked at here, once, before anything relies on it.

Types, shapes, ranges, sizes and the checksum of the symbols; an exception that the contract does not know. Either is an
error that names the plugin, `nic_core.errors.PluginFault`.
"""

import operator
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nic_core.callers import callers_own
from nic_core.codec import Coded, Decoded, OnDamage, PixelCodec
from nic_core.errors import DamagedFile, PluginFault
from nic_core.format.container import File, Header
from nic_core.format.sums import combined
from nic_core.format.tiling import Area, Tiling
from nic_core.pictures.strips import Pixels, Strips
from nic_core.plugins import blamed, fault
from nic_core.spec import CodecSpec
from nic_core.weights import WeightsInfo

OTHER_SYMBOLS = "the decoded symbols are not those that were coded"
LARGEST_SUM = (1 << 32) - 1
LONGEST_NAME = 255
SAID = ("info", "device", "runtime", "tile", "tile_step", "batch_pixels")
"""What core asks a codec for that was opened."""


def place_of(spec: CodecSpec, target: Any, device: str) -> str:
    """Return what a codec's class says that a device is here; see `PixelCodec.place`."""
    if not (isinstance(target, type) and issubclass(target, PixelCodec)):
        raise fault(spec, "points to what is no subclass of nic_core.codec.PixelCodec")
    with blamed(spec, "choosing a device"):
        place = target.place(device)
    if not isinstance(place, str):
        raise fault(spec, f"says that a device is {_short(place)}, which is no text")
    return place


def made(spec: CodecSpec, target: type[PixelCodec], path: Path | None, info: WeightsInfo, device: str) -> PixelCodec:
    """Return a codec, opened with its weights, that says of itself what core asks it for."""
    with blamed(spec, "opening its weights" if path else "its start"):
        codec = target(path, info, device)
        said: dict[str, Any] = {name: getattr(codec, name, None) for name in SAID}
    if said["info"] is not info or said["device"] is None:
        raise fault(spec, "has no info and device: its __init__ must call that of PixelCodec")
    if not isinstance(said["runtime"], str):
        raise fault(spec, f"has a runtime of {_short(said['runtime'])}, which is no text")
    for name, least in (("tile", 0), ("tile_step", 1), ("batch_pixels", 0)):
        if not (_is_whole(said[name]) and said[name] >= least):
            raise fault(spec, f"has a {name} of {_short(said[name])}, where a number of pixels from {least} on belongs")
    if codec.tile and target.compress_tiles is PixelCodec.compress_tiles:
        raise fault(spec, "has a tile, but does not say by compress_tiles how one is coded")
    return codec


@dataclass(frozen=True)
class Boundary:
    """A plugin's codec as core uses it; what comes through is as the contract says."""

    spec: CodecSpec
    codec: PixelCodec

    def model(self) -> Any:
        """Return `PixelCodec.model`."""
        with self._blamed("giving its model"):
            return self.codec.model

    def compressed(
        self, pixels: Pixels, tiling: Tiling | None, quality: float | None, options: dict[str, Any]
    ) -> Coded:
        """Return what `PixelCodec.compress` makes of a picture, or `compress_tiles` where there are tiles."""
        height, width = pixels.shape[:2]
        if tiling is None:
            whole = np.asarray(pixels)
            with self._blamed("encoding"):
                coded = self.codec.compress(whole, quality, options)
        else:
            with self._blamed("encoding"):
                coded = self.codec.compress_tiles(_of_the_caller(pixels), tiling, quality, options)
        return self._coded(coded, width, height, tiling)

    def compressed_batch(
        self, pictures: list[np.ndarray], quality: float | None, options: dict[str, Any]
    ) -> list[Coded]:
        """Return what `PixelCodec.compress_batch` makes of pictures of one size."""
        height, width = pictures[0].shape[:2]
        with self._blamed("encoding"):
            coded = self.codec.compress_batch(pictures, quality, options)
        return [self._coded(one, width, height, None) for one in self._as_many(coded, pictures)]

    def decompressed_batch(self, files: list[File], options: dict[str, Any]) -> list[np.ndarray]:
        """Return what `PixelCodec.decompress_batch` makes of files of pictures of one size."""
        with self._blamed("decoding"):
            decoded = self.codec.decompress_batch(files, options)
        return [self._picture(one, file.header) for one, file in zip(self._as_many(decoded, files), files, strict=True)]

    def _as_many(self, made: Any, given: Sequence[Any]) -> list[Any]:
        if not isinstance(made, list) or len(made) != len(given):
            raise self._fault(f"returns {_kind(made)} for a batch of {len(given)}, not a list of as many")
        return made

    def rows(self, file: File, area: Area, options: dict[str, Any], on_damage: OnDamage | None) -> Iterator[np.ndarray]:
        """Yield what `PixelCodec.rows` does, or the area of what `PixelCodec.decompress` returns."""
        head = file.header
        if type(self.codec).rows is PixelCodec.rows:
            with self._blamed("decoding"):
                decoded = self.codec.decompress(file.units, head, options)
            yield self._picture(decoded, head)[area.y : area.bottom, area.x : area.right]
            return

        def told(tile: Area, error: DamagedFile) -> None:
            with callers_own():
                assert on_damage is not None
                on_damage(tile, error)

        with self._blamed("decoding"):
            strips = iter(self.codec.rows(file, area, options, told if on_damage else None))
        count = 0
        while count < area.height:
            with self._blamed("decoding"):
                strip = next(strips, _END)
            if strip is _END:
                raise self._fault(f"decodes {count} of {area.height} rows")
            rows = self._pixels(strip, head, None, area.width)
            if not len(rows):
                raise self._fault("decodes to no rows")
            count += len(rows)
            if count > area.height:
                raise self._fault(f"decodes {count} rows where {area.height} are asked for")
            yield rows
        with self._blamed("decoding"):
            if next(strips, _END) is not _END:
                raise self._fault(f"decodes more rows than the {area.height} that are asked for")

    def parts(self, file: File, options: dict[str, Any]) -> dict[str, bytes]:
        """Return `PixelCodec.parts`."""
        with self._blamed("decoding"):
            parts = self.codec.parts(file.units, file.header, options)
        if not isinstance(parts, dict):
            raise self._fault(f"returns {_kind(parts)} from parts, not contents of files by suffix")
        for suffix, content in parts.items():
            if not isinstance(suffix, str) or not re.fullmatch(r"\.[\w.-]{1,80}", suffix):
                raise self._fault(f"has a part with the suffix {_short(suffix)}, which is none of a file")
            if not isinstance(content, bytes):
                raise self._fault(f"returns {_kind(content)} as the part {suffix}, not bytes")
        return parts

    def _blamed(self, doing: str) -> AbstractContextManager[None]:
        return blamed(self.spec, doing)

    def _fault(self, what: str) -> PluginFault:
        return fault(self.spec, what)

    def _coded(self, coded: Any, width: int, height: int, wanted: Tiling | None) -> Coded:
        """Return what was coded as a file can hold it."""
        if not isinstance(coded, Coded):
            raise self._fault(f"returns {_kind(coded)} from encoding, not Coded")
        tiling = coded.tiling
        sides = (tiling.width, tiling.height, tiling.streams) if isinstance(tiling, Tiling) else ()
        if (tiling is not None and not sides) or not all(_is_whole(side) and side > 0 for side in sides):
            raise self._fault(f"codes with the tiling {_short(tiling)}, which is none")
        if wanted is not None and sides[:2] != (wanted.width, wanted.height):
            raise self._fault(f"codes with the tiling {_short(tiling)} where {wanted} is asked for")
        count = tiling.unit_count(width, height) if tiling else 1
        if not isinstance(coded.units, (tuple, list)) or not all(isinstance(unit, bytes) for unit in coded.units):
            raise self._fault(f"returns {_kind(coded.units)} as units, not a tuple of bytes")
        if len(coded.units) != count:
            raise self._fault(f"returns {len(coded.units)} units, where the picture has {count}")
        if not isinstance(coded.coder, str) or not _is_name(coded.coder):
            raise self._fault(f"names its coder {_short(coded.coder)}; names are 1 to {LONGEST_NAME} ASCII characters")
        if not isinstance(coded.params, bytes):
            raise self._fault(f"returns {_kind(coded.params)} as params, not bytes")
        if not isinstance(coded.symbols, (tuple, list)):
            raise self._fault(f"returns {_kind(coded.symbols)} as symbols, not a tuple of checksums")
        checksum, symbols = self._sum(coded.checksum), tuple(map(self._sum, coded.symbols))
        if symbols and (tiling is None or len(symbols) != count):
            raise self._fault(f"returns checksums of {len(symbols)} units, where the picture has {count} in tiles")
        if symbols and combined(symbols) != checksum:
            raise self._fault(f"returns the checksum {checksum}, where those of its units give {combined(symbols)}")
        return replace(coded, units=tuple(coded.units), checksum=checksum, symbols=symbols)

    def _sum(self, checksum: Any) -> int:
        if not _is_whole(checksum) or not 0 <= checksum <= LARGEST_SUM:
            raise self._fault(f"returns {_short(checksum)} as a checksum, which is from 0 to {LARGEST_SUM}")
        return operator.index(checksum)

    def _picture(self, decoded: Any, head: Header) -> np.ndarray:
        """Return the pixels of a whole picture, whose symbols are those that were coded where the codec tells them."""
        if isinstance(decoded, Decoded):
            if self._sum(decoded.checksum) & 0xFFFF != head.checksum:
                raise DamagedFile(OTHER_SYMBOLS)
            decoded = decoded.pixels
        return self._pixels(decoded, head, head.height, head.width)

    def _pixels(self, pixels: Any, head: Header, height: int | None, width: int) -> np.ndarray:
        """Return pixels as the header says that they are. height: None for any number of rows."""
        if not isinstance(pixels, np.ndarray):
            raise self._fault(f"decodes to {_kind(pixels)}, not to an array")
        wanted = np.dtype(np.uint16 if head.bit_depth == 16 else np.uint8)
        fits = pixels.ndim == 3 and pixels.shape[1:] == (width, head.channels) and height in (None, len(pixels))
        if not fits or pixels.dtype != wanted:
            shape = "h" if height is None else str(height)
            raise self._fault(
                f"decodes to {pixels.dtype} {pixels.shape} instead of {wanted} ({shape}, {width}, {head.channels})"
            )
        return pixels


_END = object()


def _of_the_caller(pixels: Pixels) -> Pixels:
    """Return pixels whose source, where rows are made one after another, is blamed for what it raises itself."""
    if not isinstance(pixels, Strips):
        return pixels
    source = pixels

    def make() -> Iterator[np.ndarray]:
        rows = iter(source)
        while True:
            with callers_own():
                part = next(rows, None)
            if part is None:
                return
            yield part

    return Strips(source.shape, source.dtype, make)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= LONGEST_NAME and text.isascii() and text.isprintable()


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _short(value: Any) -> str:
    try:
        return f"{value!r:.60}"
    except Exception:  # a plugin's own class may fail to say what it is
        return _kind(value)
