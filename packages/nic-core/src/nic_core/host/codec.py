"""A codec with its weights: what `nic_core.load` returns."""

import logging
import math
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from PIL import Image

from nic_core.ahead import THREADS, ahead
from nic_core.codec import OnDamage, PixelCodec
from nic_core.errors import BadOption
from nic_core.format import chunks
from nic_core.format.container import File, Header, unpack
from nic_core.format.sources import Source, data_of
from nic_core.format.tiling import Region
from nic_core.host import opening
from nic_core.host.batches import Batches, most_of
from nic_core.host.boundary import Boundary
from nic_core.host.cache import Cache, cache
from nic_core.host.choice import Choice, nearest_quality
from nic_core.host.coding import Ladder, file_for, file_of, files_of, note_what_is_large, prepared
from nic_core.host.decoding import area_of, decoded
from nic_core.host.limits import second_limit, time_limit
from nic_core.host.runtimes import Runtime, runtime_for
from nic_core.host.target import Target
from nic_core.pictures.picture import Picture, RowPicture
from nic_core.pictures.scaling import divisor
from nic_core.pictures.sources import Source as PictureSource
from nic_core.spec import DECODER, QUALITY, CodecSpec, WeightsSpec

logger = logging.getLogger("nic")


class Codec:
    """A codec ready to encode and decode; made by `load`.

    Weights are opened when they are needed: a codec with one set of weights for each quality opens only those that are
    asked for. They are kept for all codecs of this process that ask for the same, see `nic_core.host.cache`. Any number
    of threads may use a codec. A pickle of one holds what it takes to open it again, not its weights.

    spec: its record. device: where it runs. runtime: what runs its transforms, see `load`.
    cache: where opened weights are kept.
    """

    def __init__(
        self,
        spec: CodecSpec,
        explicit: WeightsSpec | None,
        device: str,
        runtime: Runtime = "auto",
        cache: Cache = cache,
    ) -> None:
        self.spec, self.device, self.runtime, self._cache = spec, device, runtime, cache
        self._choice = Choice(spec.id, explicit)
        self._used: dict[Hashable, str] = {}

    def close(self) -> None:
        """Give back the memory of the weights that this codec has opened; used again, it opens them again."""
        used, self._used = self._used, {}  # other threads may be opening some
        self._cache.drop(list(used))

    def __enter__(self) -> "Codec":
        """Return itself; `with nic_core.load("cca") as codec:` closes it at the end."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close."""
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it takes to open the codec again, not the opened models."""
        return Codec, (self.spec, self._choice.explicit, self.device, self.runtime)

    @property
    def model(self) -> Any:
        """The torch module with the default weights, or None where the codec has none; whatever codes pictures."""
        return self._behind(self._choice.for_quality(None), "torch").model()

    @property
    def runtimes(self) -> str:
        """What runs the transforms of the weights that are open; empty where nothing has to."""
        return ", ".join(sorted(set(self._used.values()) - {""}))

    @property
    def weights(self) -> list[WeightsSpec]:
        """What can be used, best first: the explicit weights, or all known ones."""
        return self._choice.known

    @property
    def ladder(self) -> list[float]:
        """The qualities that give files of their own, rising."""
        return self._choice.ladder

    def encode(
        self,
        picture: PictureSource,
        quality: float | None = None,
        *,
        target: Target | None = None,
        on_trial: Callable[[int], None] | None = None,
        strip: bool = False,
        tile: int | None = None,
        **options: Any,
    ) -> bytes:
        """Return the .nic file of a picture.

        picture: PIL image, uint8 or uint16 array (H, W[, C]), Picture or RowPicture; or a picture file: a path, its
        bytes, or a binary file.
        quality: 1 to 100, higher is better; None for the weights' own, or 50 where they cover a range.
        target: instead of a quality, the rate that the whole file may have, or the PSNR that it must reach; the quality
        is searched with at most ten encodes, and for a PSNR as many decodes with the default options.
        on_trial: called with the number of each such encode, from 1, before it begins.
        tile: code in tiles of at most so many pixels a side; None for tiles of the codec's own choice where the picture
        is large.
        strip: leave out ICC profile, EXIF and XMP; an EXIF orientation is then applied to the pixels.
        options: the codec's encode options.

        Raises BadPicture, BadOption, TargetUnreachable, WeightsNotFound, OutOfMemory, PluginFault.
        """
        picture = prepared(picture, self.spec, strip)
        checked = self.spec.options_for("encode", options)
        if quality is not None:
            quality = QUALITY.parse(quality)
        extra = chunks.of_picture(picture)

        def at(quality: float | None) -> bytes:
            return file_of(picture, extra, *self._rate(quality, checked), checked, tile)

        if target is None:
            data = at(quality)
        elif quality is None:
            self._choice.for_quality(None)  # says what to do where there are none
            ladder = Ladder(self.spec.id, self.ladder, at, self.decode_rows)
            data = file_for(target, picture, extra, ladder, on_trial)
        else:
            raise BadOption("give a quality or a target, not both")
        note_what_is_large(extra, data)
        return data

    def decode(self, data: Source, **how: Any) -> Image.Image:
        """Return the picture of a .nic file as a PIL image; see `decode_rows` for what can be said.

        Pillow has no 16-bit RGB: such a picture comes back in 8 bits here and in 16 from `decode_picture`.
        """
        return self.decode_picture(data, **how).to_pil()

    def decode_picture(self, data: Source, **how: Any) -> Picture:
        """Return the picture of a .nic file; see `decode_rows` for what can be said."""
        return self.decode_rows(data, **how).whole()

    def decode_rows(
        self,
        data: Source,
        *,
        region: Region | None = None,
        scale: float | str = 1,
        on_damage: OnDamage | None = None,
        max_pixels: int | None = None,
        max_seconds: float | None = None,
        **options: Any,
    ) -> RowPicture:
        """Return the picture of a .nic file, which is decoded when its rows are taken, from top to bottom.

        data: bytes, a path, or a binary file, which is read to its end.
        region: (x, y, width, height) in pixels, as the picture lies in the file, to have only a part of it; of files
        with tiles only those are decoded that matter.
        scale: 1, 1/2, 1/4 or 1/8, to have the picture, or the region, smaller.
        on_damage: of a file with tiles, decode what is sound: called with the area and the error of each tile that is
        not, which comes out gray.
        max_pixels: refuse files of larger pictures, also where a region is wanted; None for NIC_MAX_PIXELS, or 250
        million.
        max_seconds: give up after so long; None for NIC_MAX_SECONDS, or never. Opening the codec and its weights does
        not count. It is a coarse limit: time is looked at between the steps of a codec, of which one may take seconds
        where the picture is large, and a picture that is finished by then is returned.
        options: the codec's decode options.

        Raises DamagedFile, UnsupportedFile, WeightsNotFound (naming codec and fingerprint), BadOption, OutOfMemory,
        OutOfTime, PluginFault; those of decoding when rows are taken.
        """
        checked, seconds = self.spec.options_for("decode", options), second_limit(max_seconds)
        by = divisor(scale)
        file = unpack(data_of(data), max_pixels, salvage=on_damage is not None)
        return self._rows(file, checked, region, by, seconds, on_damage)

    def encode_batch(self, pictures: Iterable[PictureSource], *, threads: int = THREADS, **how: Any) -> Iterator[bytes]:
        """Yield the .nic files of pictures in their order; later ones are encoded while an earlier one is used.

        threads: that encode beside one another; each holds a picture. how: as of `encode`, the same for all. What one
        raises comes in its place and ends the batch. Pictures of one size that follow one another are coded as a batch
        where the codec says that this is faster (`PixelCodec.batch_pixels`), of which a thread then holds the pictures.
        """
        quality, strip = how.get("quality"), how.get("strip", False)
        quality = None if quality is None else QUALITY.parse(quality)
        given = {key: value for key, value in how.items() if key not in ("quality", "strip")}
        plain = not {"target", "on_trial", "tile"} & set(given)
        checked = self.spec.options_for("encode", given) if plain else {}
        plain = plain and runtime_for(self.spec, checked, "auto") == "auto"
        most = self.opened(self._choice.for_quality(quality)).batch_pixels if plain else 0
        if not most:
            yield from ahead(lambda picture: self.encode(picture, **how), pictures, threads=threads)
            return
        batches: Batches[PictureSource, RowPicture, bytes] = Batches(
            prepare=lambda picture: prepared(picture, self.spec, strip),
            alike=lambda picture: (picture.pixels.shape, picture.bit_depth),
            most=lambda picture: most_of(most, picture.width, picture.height),
            one=lambda picture: self.encode(picture, quality, **given),
            together=lambda group: files_of(group, *self._rate(quality, checked), checked),
        )
        yield from batches.made(pictures, threads)

    def decode_batch(self, files: Iterable[Source], *, threads: int = THREADS, **how: Any) -> Iterator[Picture]:
        """Yield the pictures of .nic files in their order, as `encode_batch` does; how: as of `decode_rows`.

        A limit of seconds is one for each picture, so that these are decoded one by one.
        """
        given = {key: value for key, value in how.items() if key != "max_pixels"}
        seconds = second_limit(given.pop("max_seconds", None))
        if {"region", "scale", "on_damage"} & set(given) or not math.isinf(seconds):
            yield from ahead(lambda data: self.decode_picture(data, **how), files, threads=threads)
            return
        checked = self.spec.options_for("decode", given)
        batches: Batches[Source, File, Picture] = Batches(
            prepare=lambda data: unpack(data_of(data), how.get("max_pixels")),
            alike=lambda file: None if file.header.tiling else replace(file.header, checksum=0),
            most=lambda file: most_of(
                self._opened_for(file, checked).codec.batch_pixels, file.header.width, file.header.height
            ),
            one=lambda file: self._rows(file, checked).whole(),
            together=lambda group: self._pictures(group, checked),
        )
        yield from batches.made(files, threads)

    def parts(
        self, data: Source, *, max_pixels: int | None = None, max_seconds: float | None = None, **options: Any
    ) -> dict[str, bytes]:
        """Return what a .nic file's picture is coded by and a person can look at, without making the picture.

        Contents of files by suffix, {".prompt.txt": b"a red barn"}; empty for codecs that have nothing of the kind.
        max_pixels, max_seconds, options: as of `decode_rows`, which raises the same.
        """
        checked, seconds = self.spec.options_for("decode", options), second_limit(max_seconds)
        file = unpack(data_of(data), max_pixels)
        codec = self._opened_for(file, checked)
        with time_limit(seconds):
            return codec.parts(file, checked)

    def _rows(
        self,
        file: File,
        options: dict[str, Any],
        region: Region | None = None,
        by: int = 1,
        seconds: float = math.inf,
        on_damage: OnDamage | None = None,
    ) -> RowPicture:
        """Return a file's picture as `decode_rows` does. by: sides are divided by it; options: checked."""
        area = area_of(region, file.header)
        return decoded(self._opened_for(file, options), file, area, by, options, seconds, on_damage)

    def _pictures(self, files: list[File], options: dict[str, Any]) -> list[Picture]:
        """Return the pictures of files in one piece that differ in their symbols only; options: checked."""
        pixels = self._opened_for(files[0], options).decompressed_batch(files, options)
        parts = zip(pixels, files, strict=True)
        return [chunks.to_picture(part, chunks.alpha_of(file), file.chunks).whole() for part, file in parts]

    def weights_for(self, header: Header, /, **options: Any) -> WeightsSpec:
        """Return the weights that a file is decoded with; options: the codec's decode options. See `decode_rows`."""
        decoder = self.spec.options_for("decode", options)[DECODER.key] if DECODER in self.spec.options else ""
        return self._choice.for_file(header, decoder)

    def _opened_for(self, file: File, options: dict[str, Any]) -> Boundary:
        """Return the plugin's codec with a file's weights in place; options: checked."""
        if file.header.codec != self.spec.id:
            raise BadOption(f"the file was made by the codec {file.header.codec!r}, not {self.spec.id!r}")
        return self._behind(self.weights_for(file.header, **options))

    def _behind(self, spec: WeightsSpec, runtime: Runtime | None = None) -> Boundary:
        return Boundary(self.spec, self.opened(spec, runtime))

    def opened(self, spec: WeightsSpec, runtime: Runtime | None = None) -> PixelCodec:
        """Return the plugin's codec with these weights in place; runtime: None for this codec's own."""
        key, found = opening.opened(self.spec, spec, self.device, runtime or self.runtime, self._cache)
        self._used[key] = found.runtime
        return found

    def _rate(self, quality: float | None, options: dict[str, Any]) -> tuple[Boundary, float | None]:
        """Return the codec that is opened for a quality and for encode options, and the quality that it takes."""
        spec = self._choice.for_quality(quality)
        codec = self._behind(spec, runtime_for(self.spec, options, self.runtime))
        taken = nearest_quality(spec, quality)
        if quality is not None and taken is None:
            unknown = [other.name for other in self.weights if other.quality is None]
            have = "these weights of %s have but one" if spec.location else "%s takes none"
            if len(unknown) > 1:
                have = f"{len(unknown)} weights of %s do not say theirs, {spec.name} is taken; name one with --weights "
                have += f"({', '.join(unknown[:8])}), or import them anew with --lambda or --quality"
            logger.warning(f"quality %g makes no difference: {have}", quality, self.spec.id)
        if quality is not None and taken is not None and abs(taken - quality) > 0.01:
            logger.warning("quality %g taken, the nearest to %g that %s has", taken, quality, self.spec.id)
        return codec, taken
