"""Which weights a codec takes: for a quality, or for a file."""

import logging
from dataclasses import dataclass

from nic_core import weights
from nic_core.errors import BadOption, WeightsNotFound
from nic_core.format.container import Header
from nic_core.plugins import records
from nic_core.plugins.published import DECODERS
from nic_core.spec import WeightsSpec

logger = logging.getLogger("nic")


@dataclass(frozen=True)
class Choice:
    """The weights that a codec chooses from.

    codec: its id. explicit: the only ones it may take; None for all that are known.
    """

    codec: str
    explicit: WeightsSpec | None = None

    @property
    def known(self) -> list[WeightsSpec]:
        """What can be used, best first: the explicit weights, or all known ones."""
        return [self.explicit] if self.explicit else weights.available(self.codec)

    @property
    def ladder(self) -> list[float]:
        """The qualities that give files of their own, rising: every hundredth of a range, and those of single rates."""
        rungs: set[float] = set()
        for spec in self.known:
            if isinstance(spec.quality, tuple):
                low, high = spec.quality
                rungs.update(hundredths / 100 for hundredths in range(round(100 * low), round(100 * high) + 1))
            elif spec.quality is not None:
                rungs.add(spec.quality)
        return sorted(rungs)

    def for_quality(self, quality: float | None) -> WeightsSpec:
        """Return the weights for a quality: the nearest, then the best rank."""
        if self.explicit is not None:
            if quality is not None and not isinstance(self.explicit.quality, tuple):
                raise BadOption(
                    f"these weights of {self.codec} have a single rate: leave out the quality, or the weights"
                )
            return self.explicit
        found = self.known
        if not found:
            published = any(spec.codec == self.codec for _, spec in records("nic_checkpoints"))
            get = f"get published ones with 'nic weights get {self.codec}', " if published else ""
            raise WeightsNotFound(
                f"no weights for {self.codec} are installed: {get}train some with 'nic train {self.codec}', import "
                f"a checkpoint with 'nic weights import {self.codec} FILE -o W.safetensors', or name a file with "
                "--weights"
            )
        return found[0] if quality is None else min(found, key=lambda spec: _distance(spec, quality))

    def for_file(self, header: Header, decoder: str = "") -> WeightsSpec:
        """Return the weights that a file requires, with the synthesis it prefers if that is to be had.

        decoder: the name of another one, see `for_decoder`.
        """
        fitting = [spec for spec in self.known if spec.entropy_id == header.entropy_id]
        if decoder and fitting:
            return self.for_decoder(header.entropy_id, header.synthesis_id, decoder)
        for spec in fitting:
            if spec.synthesis_id == header.synthesis_id:
                return spec
        if not fitting and any(not spec.location for spec in self.known):
            raise WeightsNotFound(
                f"the file was made by another {self.codec}: one with weights, entropy model {header.entropy_id}"
            )
        if not fitting:
            have = ", ".join(sorted({spec.entropy_id for spec in self.known if spec.entropy_id})) or "none"
            raise WeightsNotFound(
                f"the file needs the {self.codec} weights with entropy model {header.entropy_id}, which are not "
                f"installed (there: {have}): get the weights file from whoever made it, then 'nic weights add FILE', "
                "or name it with --weights"
            )
        logger.info(
            "decoding with the synthesis %s instead of the file's %s", fitting[0].synthesis_id, header.synthesis_id
        )
        return fitting[0]

    def for_decoder(self, entropy_id: str, synthesis_id: str, decoder: str) -> WeightsSpec:
        """Return the weights for an entropy model whose synthesis has a name, whatever weights are the explicit ones.

        synthesis_id: which is taken, of several of that name, rather than the best of them. WeightsNotFound.
        """
        known = [*([self.explicit] if self.explicit else []), *weights.available(self.codec)]
        fitting = [spec for spec in known if spec.entropy_id == entropy_id]
        named = [spec for spec in fitting if spec.decoder == decoder]
        if named:
            return next((spec for spec in named if spec.synthesis_id == synthesis_id), named[0])
        have = ", ".join(sorted({spec.decoder for spec in fitting} - {""})) or "none with a name"
        elsewhere = any(spec.decoder == decoder for spec in known)
        why = "Those of that name are for other entropy models" if elsewhere else "It may come as a file"
        package = DECODERS.get((self.codec, decoder))
        upgrade = f"pip install --upgrade {package}, or " if package else ""
        raise WeightsNotFound(
            f"no decoder {decoder!r} for {self.codec} with the file's entropy model {entropy_id} is installed; there "
            f"are: {have}. {why}: {upgrade}'nic weights add FILE'"
        )


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
