"""What a host application calls: load, encode, decode, inspect."""

import os
import re
from collections.abc import Mapping
from typing import Any

from PIL import Image

from nic_core import plugins
from nic_core import weights as known_weights
from nic_core.errors import BadOption, WeightsNotFound
from nic_core.format.container import UNLIMITED, Header, unpack
from nic_core.format.sources import Source, data_of
from nic_core.host import runtimes
from nic_core.host.cache import Cache, cache
from nic_core.host.codec import Codec
from nic_core.host.runtimes import Runtime
from nic_core.host.target import Target
from nic_core.pictures.picture import Picture
from nic_core.pictures.sources import Source as PictureSource
from nic_core.spec import WeightsSpec


def load(
    codec: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    runtime: Runtime = "auto",
    cache: Cache = cache,
) -> Codec:
    """Return a codec by id, or the default one: see `nic_core.weights.default_codec`.

    weights: a path, URL, hf://owner/repository/file or a name from `nic weights`; None for whatever is installed.
    device: "auto", "cpu", "cuda", "cuda:1", "mps", "xpu".
    runtime: what runs the transforms: "torch", "torch-bf16" (in bfloat16: faster on processors that multiply it, and
    pixels differ a little), "onnx" (onnxruntime, for weights that hold graphs), or "auto", which is onnxruntime where
    it can, unless a GPU is named, or in sight of an installed torch, and else torch.
    cache: where opened weights are kept, by default for all of this process; a `nic_core.host.cache.Cache` of your own
    for models that you change.

    Raises CodecNotFound, WeightsNotFound, BadWeights, BadOption.
    """
    if not re.fullmatch("auto|cpu|(cuda|mps|xpu)(:[0-9]{1,3})?", device):
        raise BadOption(f"the device must be auto, cpu, cuda, cuda:1, mps or xpu, not {device[:80]!r}")
    spec = plugins.codec_spec(codec or known_weights.default_codec())
    explicit = None if weights is None else _explicit_weights(weights, spec.id)
    return Codec(spec, explicit, device, runtimes.checked(runtime), cache)


def _explicit_weights(source: str | os.PathLike[str], codec: str) -> WeightsSpec:
    found = known_weights.resolve(source, codec)
    if found.codec != codec:
        raise WeightsNotFound(
            f"{known_weights.shown(os.fspath(source))} holds weights of {found.codec}, not of {codec}"
        )
    return found


def encode(
    picture: PictureSource,
    quality: float | None = None,
    *,
    target: Target | None = None,
    device: str = "auto",
    **options: Any,
) -> bytes:
    """Return the .nic file of a picture, made with the default codec; see `Codec.encode`."""
    return load(device=device).encode(picture, quality, target=target, **options)


def decode(data: Source, *, device: str = "auto", **how: Any) -> Image.Image:
    """Return the picture of any .nic file as a PIL image; see `decode_picture`."""
    return decode_picture(data, device=device, **how).to_pil()


def decode_picture(data: Source, *, device: str = "auto", **how: Any) -> Picture:
    """Return the picture of any .nic file, with the codec and weights that its header asks for.

    data: bytes, a path, or a binary file, which is read to its end.
    how: region, scale, on_damage, limits for files of strangers (max_pixels, max_seconds), and the codec's options; see
    `Codec.decode_rows`, which raises the same.
    """
    data = data_of(data)
    file = unpack(data, how.get("max_pixels"), salvage=how.get("on_damage") is not None)
    return load(file.header.codec, device=device).decode_picture(data, **how)


def inspect(data: Source) -> Header:
    """Return the header of a .nic file; imports no torch, needs no codec. DamagedFile, UnsupportedFile."""
    return unpack(data_of(data), UNLIMITED).header


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
