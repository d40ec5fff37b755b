"""Which codec is used where none is named."""

import logging
import os
from dataclasses import dataclass

from nic_core import user_config
from nic_core.errors import CodecNotFound, WeightsNotFound
from nic_core.plugins import codec_spec, records
from nic_core.plugins.discovery import brought_twice
from nic_core.plugins.published import DEFAULT, DISTRIBUTIONS
from nic_core.spec import WeightsSpec
from nic_core.weights.store import available

logger = logging.getLogger("nic")

VARIABLE = "NIC_CODEC"
CONFIG = "nic config default"
RANK = "the highest rank of weights"

_said: set[str] = set()
"""Lines that were shown already."""


@dataclass(frozen=True)
class Default:
    """A codec, by its id, and what makes it the default: `VARIABLE`, `CONFIG` or `RANK`."""

    codec: str
    by: str


def default_codec() -> str:
    """Return the id of the codec that is used where none is named; see `default`, which raises the same."""
    return default().codec


def default() -> Default:
    """Return the codec that is used where none is named: by NIC_CODEC, else by `nic config`, else by rank.

    A codec or weights of another's package, which outrank those of nic's own, are said once to do so.
    CodecNotFound where what is named is not installed; WeightsNotFound where none has a rank. NicError for a damaged
    file of settings.
    """
    for by, named in ((VARIABLE, os.environ.get(VARIABLE)), (CONFIG, user_config.setting(user_config.DEFAULT))):
        if named:
            try:
                return Default(codec_spec(named).id, by)
            except CodecNotFound as error:
                raise CodecNotFound(f"the default by {by}: {error}") from error
    ranked = [spec for spec in available() if spec.rank > 0 and _is_to_be_had(spec)]
    if not ranked:
        raise WeightsNotFound(f"no default codec is installed: pip install {DEFAULT}, or name a codec with --codec")
    first, own = ranked[0], next((spec for spec in ranked if not _strangers(spec)), None)
    strangers = _strangers(first)
    if own and strangers:
        others, ended = " and ".join(strangers), f"'{CONFIG} {first.codec}' ends this line"
        if own.codec == first.codec:
            what = f"the weights of {first.codec} that rank highest are {first.name} of {others}"
            _say(f"{what}: '--weights {own.name}' takes nic's own, {ended}")
        else:
            what = f"the default codec is {first.codec} of {others}, whose weights outrank {own.codec}"
            _say(f"{what}: '{CONFIG} {own.codec}' keeps that, {ended}")
    return Default(first.codec, RANK)


def _is_to_be_had(spec: WeightsSpec) -> bool:
    """Return whether the codec of weights can be the default: strangers that share an id are passed over."""
    brings = [plugin for plugin, codec in records("nic_codecs") if codec.id == spec.codec]
    if len(brings) > 1 and not any(plugin.distribution in DISTRIBUTIONS.values() for plugin in brings):
        _say(f"{brought_twice(brings, f'a codec {spec.codec!r}')}, which is passed over: see 'nic plugins'")
        return False
    return len(brings) > 0


def _strangers(spec: WeightsSpec) -> list[str]:
    """Return the distributions that bring weights or their codec and are none of nic's own."""
    found = [plugin for plugin, record in records("nic_weights") if record == spec]
    found += [plugin for plugin, codec in records("nic_codecs") if codec.id == spec.codec]
    return sorted({plugin.distribution for plugin in found} - set(DISTRIBUTIONS.values()))


def _say(line: str) -> None:
    if line not in _said:
        _said.add(line)
        logger.warning("%s", line)
