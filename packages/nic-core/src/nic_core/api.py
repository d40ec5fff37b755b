"""What a host application calls: load, encode, decode, inspect."""

import itertools
import logging
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from nic_core import chunks, plugins, progress, weights
from nic_core.codec import PixelCodec
from nic_core.container import File, Header, pack, unpack
from nic_core.errors import BadOption, TargetUnreachable, WeightsNotFound
from nic_core.picture import Picture
from nic_core.spec import QUALITY, CodecSpec, WeightsSpec, resolve
from nic_core.target import Target, Trial, search

logger = logging.getLogger("nic")

Source = Picture | Image.Image | Any  # arrays and paths too; numpy's stubs make the exact union unreadable


class Codec:
    """A codec ready to encode and decode; made by `load`.

    Weights are opened when they are needed and kept: a codec with one set of weights for each quality opens only those
    that are asked for.

    spec: its record. device: where it runs.
    """

    def __init__(self, spec: CodecSpec, explicit: WeightsSpec | None, device: str) -> None:
        self.spec, self.device, self._explicit = spec, device, explicit
        self._open: dict[str, PixelCodec] = {}

    @property
    def model(self) -> Any:
        """The torch module with the default weights, or None where the codec has none."""
        return self.opened(self._weights_for(None)).model

    @property
    def weights(self) -> list[WeightsSpec]:
        """What can be used, best first: the explicit weights, or all known ones."""
        return [self._explicit] if self._explicit else weights.available(self.spec.id)

    @property
    def ladder(self) -> list[float]:
        """The qualities that give files of their own, rising: every hundredth of a range, and those of single rates."""
        rungs: set[float] = set()
        for spec in self.weights:
            if isinstance(spec.quality, tuple):
                low, high = spec.quality
                rungs.update(hundredths / 100 for hundredths in range(round(100 * low), round(100 * high) + 1))
            elif spec.quality is not None:
                rungs.add(spec.quality)
        return sorted(rungs)

    def encode(
        self,
        picture: Source,
        quality: float | None = None,
        *,
        target: Target | None = None,
        on_trial: Callable[[int], None] | None = None,
        strip: bool = False,
        **options: Any,
    ) -> bytes:
        """Return the .nic file of a picture.

        picture: PIL image, uint8 or uint16 array (H, W[, C]), path, or Picture.
        quality: 1 to 100, higher is better; None for the weights' own, or 50 where they cover a range.
        target: instead of a quality, the rate that the whole file may have, or the PSNR that it must reach; the quality
        is searched with at most ten encodes, and for a PSNR as many decodes with the default options.
        on_trial: called with the number of each such encode, from 1, before it begins.
        strip: leave out ICC profile, EXIF and XMP; an EXIF orientation is then applied to the pixels.
        options: the codec's encode options.

        Raises BadPicture, BadOption, TargetUnreachable, WeightsNotFound, OutOfMemory.
        """
        picture = Picture.of(picture)
        if strip:
            picture = picture.stripped()
        if self.spec.upright:
            picture = picture.upright()
        if self.spec.gray:
            picture = picture.to_gray()
        checked = self.spec.options_for("encode", options)
        if quality is not None:
            quality = QUALITY.parse(quality)
        extra = chunks.of_picture(picture)
        if target is None:
            data = self._file(picture, extra, quality, checked)
        elif quality is None:
            data = self._file_for(target, picture, extra, checked, on_trial)
        else:
            raise BadOption("give a quality or a target, not both")
        metadata, alpha = _metadata_bytes(extra), len(extra.get(chunks.ALPHA, b""))
        if 2 * metadata > len(data):
            progress.note(f"{metadata} of {len(data)} bytes are metadata, which --strip leaves out")
        if 2 * alpha > len(data):
            progress.note(f"{alpha} of {len(data)} bytes are the alpha channel, which is kept losslessly")
        return data

    def decode(self, data: bytes, *, max_pixels: int | None = None, **options: Any) -> Image.Image:
        """Return the picture of a .nic file as a PIL image; see `decode_picture`.

        Pillow has no 16-bit RGB: such a picture comes back in 8 bits here and in 16 from `decode_picture`.
        """
        return self.decode_picture(data, max_pixels=max_pixels, **options).to_pil()

    def decode_picture(self, data: bytes, *, max_pixels: int | None = None, **options: Any) -> Picture:
        """Return the picture of a .nic file.

        max_pixels: refuse larger ones; None for NIC_MAX_PIXELS, or 250 million.
        options: the codec's decode options.

        Raises DamagedFile, UnsupportedFile, WeightsNotFound (naming codec and fingerprint), BadOption, OutOfMemory.
        """
        checked = self.spec.options_for("decode", options)
        file, codec = self._file_and_codec(data, max_pixels)
        return chunks.to_picture(codec.decompress(file.units, file.header, checked), file.chunks)

    def parts(self, data: bytes, *, max_pixels: int | None = None, **options: Any) -> dict[str, bytes]:
        """Return what a .nic file's picture is coded by and a person can look at, without making the picture.

        Contents of files by suffix, {".prompt.txt": b"a red barn"}; empty for codecs that have nothing of the kind.
        options: the codec's decode options. Raises as `decode_picture`.
        """
        checked = self.spec.options_for("decode", options)
        file, codec = self._file_and_codec(data, max_pixels)
        return codec.parts(file.units, file.header, checked)

    def _file_and_codec(self, data: bytes, max_pixels: int | None) -> tuple[File, PixelCodec]:
        """Return a file of this codec and the codec with the file's weights in place."""
        file = unpack(data, max_pixels)
        if file.header.codec != self.spec.id:
            raise BadOption(f"the file was made by the codec {file.header.codec!r}, not {self.spec.id!r}")
        return file, self.opened(self._weights_of(file.header))

    def opened(self, spec: WeightsSpec) -> PixelCodec:
        """Return the plugin's codec with these weights in place."""
        if spec.location not in self._open:
            path = Path(weights.local(spec).location)
            self._open[spec.location] = resolve(self.spec.target)(path, weights.read_info(path), self.device)
        return self._open[spec.location]

    def _file(self, picture: Picture, extra: dict[str, bytes], quality: float | None, options: dict[str, Any]) -> bytes:
        """Return the file of a picture at one quality. extra: its chunks; options: checked."""
        spec = self._weights_for(quality)
        codec = self.opened(spec)
        taken = nearest_quality(spec, quality)
        if quality is not None and taken is None:
            logger.warning("quality %g makes no difference: these weights of %s have but one", quality, self.spec.id)
        if quality is not None and taken is not None and abs(taken - quality) > 0.01:
            logger.warning("quality %g taken, the nearest to %g that %s has", taken, quality, self.spec.id)
        coded = codec.compress(picture.pixels, taken if codec.info.covers_range else None, options)
        header = Header(
            picture.width,
            picture.height,
            picture.channels,
            picture.bit_depth,
            self.spec.id,
            coded.coder,
            codec.info.entropy_id,
            codec.info.synthesis_id,
            taken,
            coded.checksum & 0xFFFF,
            coded.params,
            coded.tiling,
        )
        return pack(File(header, coded.units, extra))

    def _file_for(
        self,
        target: Target,
        picture: Picture,
        extra: dict[str, bytes],
        options: dict[str, Any],
        on_trial: Callable[[int], None] | None,
    ) -> bytes:
        """Return the file of a picture that meets a target; see `encode`."""
        self._weights_for(None)  # says what to do where there are none
        ladder = self.ladder
        if len(ladder) < 2:
            raise BadOption(f"{self.spec.id} has no ladder of qualities to search here: its weights have a single rate")
        numbers = itertools.count(1)
        decode = partial(self.decode_picture, max_pixels=picture.width * picture.height)

        def attempt(quality: float) -> Trial:
            if on_trial:
                on_trial(next(numbers))
            data = self._file(picture, extra, quality, options)
            return Trial(quality, data, target.measure(data, picture, decode))

        try:
            return search(attempt, ladder, target).data
        except TargetUnreachable as error:
            metadata = _metadata_bytes(extra)
            if target.limits_rate and 10 * metadata > len(error.nearest.data):
                error.args = (f"{error}; {metadata} bytes of it are metadata, which --strip leaves out",)
            raise

    def _weights_for(self, quality: float | None) -> WeightsSpec:
        """Return the weights for a quality: the nearest, then the best rank."""
        if self._explicit is not None:
            if quality is not None and not isinstance(self._explicit.quality, tuple):
                raise BadOption(
                    f"these weights of {self.spec.id} have a single rate: leave out the quality, or the weights"
                )
            return self._explicit
        found = self.weights
        if not found:
            raise WeightsNotFound(
                f"no weights for {self.spec.id} are installed: train some with 'nic train {self.spec.id}', import "
                f"a checkpoint with 'nic weights import {self.spec.id} FILE -o W.safetensors', or name a file with "
                "--weights"
            )
        return found[0] if quality is None else min(found, key=lambda spec: _distance(spec, quality))

    def _weights_of(self, header: Header) -> WeightsSpec:
        """Return the weights that a file requires, with the synthesis it prefers if that is to be had."""
        fitting = [spec for spec in self.weights if spec.entropy_id == header.entropy_id]
        for spec in fitting:
            if spec.synthesis_id == header.synthesis_id:
                return spec
        if not fitting:
            have = ", ".join(sorted({spec.entropy_id for spec in self.weights if spec.entropy_id})) or "none"
            raise WeightsNotFound(
                f"the file needs the {self.spec.id} weights with entropy model {header.entropy_id}, which are not "
                f"installed (there: {have}): get the weights file from whoever made it, then 'nic weights add FILE', "
                "or name it with --weights"
            )
        logger.info(
            "decoding with the synthesis %s instead of the file's %s", fitting[0].synthesis_id, header.synthesis_id
        )
        return fitting[0]


def _metadata_bytes(extra: dict[str, bytes]) -> int:
    return sum(len(data) for kind, data in extra.items() if kind in chunks.METADATA)


def nearest_quality(spec: WeightsSpec, quality: float | None) -> float | None:
    """Return the quality that weights give when one is asked for, to a hundredth; None where they do not know theirs.

    Asked for none, weights that cover a range take 50.
    """
    if not isinstance(spec.quality, tuple):
        return spec.quality
    low, high = spec.quality
    return round(min(max(50.0 if quality is None else quality, low), high), 2)


def _distance(spec: WeightsSpec, quality: float) -> float:
    if spec.quality is None:
        return 100.0
    low, high = spec.quality if isinstance(spec.quality, tuple) else (spec.quality, spec.quality)
    return max(low - quality, quality - high, 0.0)


def default_codec() -> str:
    """Return the id of the codec whose weights have the highest rank; WeightsNotFound where none has any."""
    ranked = [spec for spec in weights.available() if spec.rank > 0]
    if not ranked:
        raise WeightsNotFound("no default codec is installed: pip install nic-mini, or name a codec with --codec")
    return ranked[0].codec


def load(codec: str | None = None, weights: str | os.PathLike[str] | None = None, device: str = "auto") -> Codec:
    """Return a codec by id, or the default one.

    weights: a path, URL, hf://owner/repository/file or a name from `nic weights`; None for whatever is installed.
    device: "auto", "cpu", "cuda", "cuda:1", "mps".

    Raises CodecNotFound, WeightsNotFound, BadWeights.
    """
    spec = plugins.codec_spec(codec or default_codec())
    explicit = None if weights is None else _explicit_weights(weights, spec.id)
    return Codec(spec, explicit, device)


def _explicit_weights(source: str | os.PathLike[str], codec: str) -> WeightsSpec:
    found = weights.resolve(source, codec)
    if found.codec != codec:
        raise WeightsNotFound(f"{os.fspath(source)} holds weights of {found.codec}, not of {codec}")
    return found


_loaded: dict[tuple[str, str], Codec] = {}


def _shared(codec: str, device: str) -> Codec:
    """Keep codecs between the module-level calls, since opening weights takes longer than coding a picture."""
    if (codec, device) not in _loaded:
        _loaded[codec, device] = load(codec, device=device)
    return _loaded[codec, device]


def encode(
    picture: Source,
    quality: float | None = None,
    *,
    target: Target | None = None,
    device: str = "auto",
    **options: Any,
) -> bytes:
    """Return the .nic file of a picture, made with the default codec; see `Codec.encode`."""
    return _shared(default_codec(), device).encode(picture, quality, target=target, **options)


def decode(data: bytes, *, device: str = "auto", max_pixels: int | None = None, **options: Any) -> Image.Image:
    """Return the picture of any .nic file, with the codec and weights that its header asks for."""
    codec = unpack(data, max_pixels).header.codec
    return _shared(codec, device).decode(data, max_pixels=max_pixels, **options)


def inspect(data: bytes) -> Header:
    """Return the header of a .nic file; imports no torch, needs no codec. DamagedFile, UnsupportedFile."""
    return unpack(data, max_pixels=1 << 64).header


def parse_codec(text: str) -> tuple[str, str | None, Mapping[str, str]]:
    """Split "id[@weights][:key=value,...]" into codec, weights and options; BadOption where it has another form."""
    codec, mark, rest = re.fullmatch("([^@:]*)([@:]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    chosen, settings = "", rest
    if mark == "@":
        # Weights may be URLs or Windows paths, so only a colon before "key=" ends them.
        chosen, settings, *_ = [*re.split(r":(?=[a-z][a-z0-9_-]*=)", rest, maxsplit=1), ""]
    options = {}
    for setting in filter(None, settings.split(",")):
        key, equals, value = setting.partition("=")
        if not equals:
            raise BadOption(f"{text!r} is not of the form id[@weights][:key=value,...]: {setting!r} has no '='")
        options[key] = value
    return codec, chosen or None, options
