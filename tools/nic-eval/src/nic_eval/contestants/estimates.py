"""Installed nic codecs as contestants whose rates their models estimate: no files, nothing is coded."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from nic_core import plugins
from nic_core.codec import Estimated, PixelCodec
from nic_core.errors import BadOption
from nic_core.host.coding import prepared
from nic_core.host.runtimes import target_of

from nic_eval.contestants.codecs import NicContestant
from nic_eval.contestants.contestant import FilePicture, Setting, rgb
from nic_eval.results import ESTIMATED


@dataclass(frozen=True)
class EstimatedContestant(NicContestant):
    """An installed codec by its model's forward pass, in floating point and in one piece; see `PixelCodec.estimate`."""

    suffix: str = field(default="", init=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave loaded weights behind when pickled."""
        return EstimatedContestant, (self.text, self.device, self.qualities)

    @property
    def name(self) -> str:
        """The codec's, which its files may be measured under beside it."""
        return self.text + ESTIMATED

    @property
    def description(self) -> str:
        """As of the codec, and that there are no files."""
        return f"{super().description}; rates are the model's estimates, without files"

    def settings(self) -> list[Setting]:
        """See `Contestant`; BadOption where the codec has no model of its rate."""
        found = super().settings()
        spec = plugins.codec_spec(self._parsed[0])
        location = found[0].weights
        target = target_of(spec, Path(location) if location else None, self.device, "torch")
        if getattr(target, "estimate", PixelCodec.estimate) is PixelCodec.estimate:
            raise BadOption(f"{spec.id} has no model that estimates rates")
        return found

    def ladder(self) -> list[Setting]:
        """See `Contestant`; nothing, since there are no files to search among."""
        return []

    def estimate(self, picture: FilePicture, setting: Setting) -> Estimated:
        """Return the estimated bits of a picture and its decoded pixels, uint8 (H, W, 3).

        BadOption where a table of the options does not list the picture.
        """
        spec = plugins.codec_spec(self._parsed[0])
        encode, decode = self._options
        used = self._decoders.get(setting.weights, self._weights[setting.weights])  # which have one encoder
        opened = self._codec(setting).opened(used, "torch")
        taken = prepared(picture, spec, False)
        quality = setting.quality if opened.info.covers_range else None
        found = opened.estimate(
            np.asarray(taken.pixels),
            quality,
            spec.options_for("encode", encode.of(picture.path)),
            spec.options_for("decode", decode),
        )
        return Estimated(found.bits, rgb(found.pixels))

    def fingerprint(self, setting: Setting, path: Path) -> str:
        """As of the codec, and that nothing is coded."""
        return f"estimated {super().fingerprint(setting, path)}"

    def gmacs(self, picture: FilePicture, setting: Setting) -> dict[str, float]:
        """Nothing: they are counted where files are coded."""
        return {}
