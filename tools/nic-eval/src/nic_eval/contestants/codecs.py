"""Installed nic codecs as contestants."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import nic_core
import numpy as np
from nic_core import api, plugins, weights
from nic_core.errors import BadOption, WeightsNotFound
from nic_core.host.choice import Choice, nearest_quality
from nic_core.host.runtimes import Runtime
from nic_core.host.tables import EncodeOptions
from nic_core.spec import DECODER, WeightsSpec

from nic_eval.contestants.contestant import FilePicture, Setting, rgb
from nic_eval.files import file_hash
from nic_eval.operations import counted
from nic_eval.results import Kind

logger = logging.getLogger("nic")

QUALITIES = (1.0, 10.0, 25.0, 40.0, 55.0, 70.0, 85.0, 100.0)
"""What weights that cover a range are measured at."""


@dataclass(frozen=True)
class NicContestant:
    """An installed nic codec.

    text: "id[@weights][:key=value,...]", which is also its name.
    qualities: 1 to 100, for weights that cover a range; others are measured once for each quality they are there for.
    runtime: what runs transforms, see `nic_core.load`.
    """

    text: str
    device: str = "auto"
    qualities: tuple[float, ...] = QUALITIES
    runtime: Runtime = "auto"
    kind: Kind = field(default="codec", init=False)
    suffix: str = field(default="nic", init=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave loaded weights behind when pickled."""
        return NicContestant, (self.text, self.device, self.qualities, self.runtime)

    @property
    def name(self) -> str:
        """The text."""
        return self.text

    @property
    def description(self) -> str:
        """Codec, version, weights and device."""
        specs = {spec.location: spec for spec in [*self._weights.values(), *self._decoders.values()]}
        used = ", ".join(f"{spec.name} ({spec.entropy_id}/{spec.synthesis_id})" for spec in specs.values())
        codec = self._parsed[0]
        return f"{codec} of {self._distribution}, weights {used}, device {self.device}"

    def settings(self) -> list[Setting]:
        """See `Contestant`; WeightsNotFound where the codec has no weights, or not the decoder that is asked for."""
        if not self._weights:
            raise WeightsNotFound(
                "no weights of this codec are installed; train some, import a checkpoint with "
                "'nic weights import', or name a file as id@weights"
            )
        _ = self._decoders
        return self._settings(self.qualities)

    def ladder(self) -> list[Setting]:
        """See `Contestant`; weights that cover a range do so in hundredths."""
        self.settings()
        steps = self._settings([step / 100 for step in range(100, 10001)])
        return sorted(steps, key=lambda setting: setting.quality or 0)

    def _settings(self, qualities: Sequence[float]) -> list[Setting]:
        settings = []
        for location, spec in self._weights.items():
            if isinstance(spec.quality, tuple):
                taken = sorted({nearest_quality(spec, quality) or 0.0 for quality in qualities})
                settings += [Setting(f"quality {quality:g}", quality, location) for quality in taken]
            elif spec.quality is None:
                settings.append(Setting(spec.name, None, location))
            else:
                settings.append(Setting(f"quality {spec.quality:g}", spec.quality, location))
        return settings

    def encode(self, picture: FilePicture, setting: Setting) -> bytes:
        """See `Contestant`; BadOption where a table of the options does not list the picture."""
        covers_range = isinstance(self._weights[setting.weights].quality, tuple)
        quality = setting.quality if covers_range else None
        return self._codec(setting).encode(picture, quality, **self._options[0].of(picture.path))

    def decode(self, data: bytes, setting: Setting) -> np.ndarray:
        """See `Contestant`."""
        return rgb(self._codec(setting).decode_picture(data, **self._options[1]).pixels)

    def fingerprint(self, setting: Setting, path: Path) -> str:
        """Versions, options, device, runtime and the weights files' hashes: their ids leave out the encoder's tensors.

        BadOption where a table of the options does not list the picture.
        """
        encode_options, decode_options = self._options
        used = (*encode_options.of(path).items(), *decode_options.items())
        options = sorted((key, str(value)) for key, value in used)
        where = f"{self.device} {self.runtime}"
        hashes = [self._hashes[setting.weights]]
        if decoder := self._decoders.get(setting.weights):
            hashes.append(file_hash(Path(decoder.location)))
        return f"{self._distribution} {self._parsed[0]} {options} {where} {' '.join(hashes)}"

    def gmacs(self, picture: FilePicture, setting: Setting) -> dict[str, float]:
        """See `Contestant`; counted by torch's FlopCounterMode: convolutions, matrix products and attention."""
        twin = replace(self, runtime="torch")
        models = [codec.model for codec in twin._taking_part(setting)]
        if None in models:
            return {}
        with ExitStack() as stack:
            for model in models:
                model.requires_grad_(False)  # the counter would follow gradients that inference does not have
                if hasattr(model, "in_floats"):
                    stack.enter_context(model.in_floats())  # integer nets are none of torch's operations
            data, encode = counted(lambda: twin.encode(picture, setting))
            _, decode = counted(lambda: twin.decode(data, setting))
        return {"encode": encode, "decode": decode}

    @cached_property
    def _parsed(self) -> tuple[str, str | None, Mapping[str, str]]:
        codec, chosen, options = api.parse_codec(self.text)
        return codec or weights.default_codec(), chosen, options

    @cached_property
    def _weights(self) -> dict[str, WeightsSpec]:
        """By location: the best that cover a range, or else the best of each quality."""
        codec, chosen, _ = self._parsed
        found = [weights.resolve(chosen, codec)] if chosen else weights.available(codec)
        if found and found[0].codec != codec:
            raise WeightsNotFound(f"{chosen} holds weights of {found[0].codec}, not of {codec}")
        found = [weights.local(spec) for spec in found]
        covering = bool(found) and isinstance(found[0].quality, tuple)
        kept: dict[float | str, WeightsSpec] = {}
        for spec in found:
            if covering or isinstance(spec.quality, tuple):
                taken = kept.setdefault("range", spec) if covering else found[0]
            else:
                taken = kept.setdefault(spec.name if spec.quality is None else spec.quality, spec)
            if spec.decoder and taken.entropy_id == spec.entropy_id:
                continue  # the same files; another decoder of them is measured as codec:decoder=NAME
            if (taken.entropy_id, taken.synthesis_id) != (spec.entropy_id, spec.synthesis_id):
                passed = spec.name if spec.name != taken.name else spec.location
                logger.warning(
                    "%s: weights %s are passed over, %s are measured; name them to measure them: %s@%s",
                    *(self.text, passed, taken.name, codec, passed),
                )
        return {spec.location: spec for spec in kept.values()}

    @cached_property
    def _decoders(self) -> dict[str, WeightsSpec]:
        """By location of the weights that encode: those that decode, where an option asks for others than these."""
        spec, options = plugins.codec_spec(self._parsed[0]), self._options[1]
        name = options[DECODER.key] if DECODER in spec.options else ""
        if not name:
            return {}
        return {
            location: weights.local(Choice(spec.id, own).for_decoder(own.entropy_id, own.synthesis_id, name))
            for location, own in self._weights.items()
        }

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return {location: file_hash(Path(location)) if location else "" for location in self._weights}

    @cached_property
    def _distribution(self) -> str:
        for plugin, spec in plugins.records("nic_codecs"):
            if spec.id == self._parsed[0]:
                return f"{plugin.distribution} {plugin.version}, nic-core {nic_core.__version__}"
        return f"nic-core {nic_core.__version__}"

    @cached_property
    def _options(self) -> tuple[EncodeOptions, dict[str, Any]]:
        """The given options, of encoding and of decoding; BadOption for one that neither takes."""
        codec, _, given = self._parsed
        spec = plugins.codec_spec(codec)
        encode, decode = spec.settings("encode"), spec.settings("decode")
        for key in given:
            if key.replace("_", "-") not in (*encode, *decode):
                raise BadOption(f"{codec} has no option {key!r}; it has {', '.join([*encode, *decode]) or 'none'}")
        to_encode, to_decode = (
            {key: value for key, value in given.items() if key.replace("_", "-") in names} for names in (encode, decode)
        )
        return EncodeOptions(spec, to_encode), spec.options_for("decode", to_decode)

    @cached_property
    def _codecs(self) -> dict[str, api.Codec]:
        spec = plugins.codec_spec(self._parsed[0])
        return {
            location: api.Codec(spec, record, self.device, self.runtime) for location, record in self._weights.items()
        }

    def _codec(self, setting: Setting) -> api.Codec:
        return self._codecs[setting.weights]

    def _taking_part(self, setting: Setting) -> list[api.Codec]:
        """Return the codec that encodes, and the one that decodes where that is another."""
        other = self._decoders.get(setting.weights)
        spec = plugins.codec_spec(self._parsed[0])
        return [self._codec(setting), *([api.Codec(spec, other, self.device, self.runtime)] if other else [])]

    def check(self) -> None:
        """Raise what a mistyped codec or option deserves, before any work: CodecNotFound, BadOption, NicError."""
        plugins.codec_spec(self._parsed[0])
        _ = self._options
