"""Decoder files become whole weights, once, in the user's cache.

They are kept there by what made them: the decoder file and the weights that completed it. Where the cache cannot be
written, this process makes them in a temporary folder of its own.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from nic_core.errors import BadWeights, CannotWrite, WeightsNotFound
from nic_core.files.atomic import make_folder
from nic_core.plugins.published import DISTRIBUTIONS
from nic_core.spec import WeightsSpec
from nic_core.weights.decoders import is_decoder, join
from nic_core.weights.fetch import is_remote
from nic_core.weights.record import read_info
from nic_core.weights.verification import verified, verify

KEPT = 12
"""Completed files that the cache keeps at most."""


def completed(decoder: Path, known: Iterable[WeightsSpec]) -> Path:
    """Return the whole weights that a decoder file becomes, verified.

    known: among which there are weights with the same entropy model, in a file here.
    WeightsNotFound where there are none; BadWeights where the decoder file is not sound.
    """
    info = read_info(decoder)
    whole = _whole(known, info.codec, info.entropy_id)
    if whole is None:
        brings = DISTRIBUTIONS.get(info.codec)
        install = f"pip install {brings}, or " if brings else ""
        raise WeightsNotFound(
            f"{decoder.name} is a decoder alone, for weights of {info.codec} with entropy model {info.entropy_id}, "
            f"which are not installed: {install}get their file and 'nic weights add FILE'"
        )
    name = f"{info.codec}-{info.entropy_id}-{info.synthesis_id}-{_mark(decoder, whole)}.safetensors"
    try:
        return _made(_folder(), name, decoder, whole)
    except CannotWrite:
        return _made(_own_folder(), name, decoder, whole)


def _made(folder: Path, name: str, decoder: Path, whole: Path) -> Path:
    target = folder / name
    if target.exists():
        with suppress(BadWeights, WeightsNotFound):  # somebody altered it, or it went away
            verified(target)
            return target
    make_folder(folder)
    verified(whole)
    join(decoder, whole, target)
    try:
        verify(target, decoder.name)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    _forget_others(folder)
    return target


def _whole(known: Iterable[WeightsSpec], codec: str, entropy_id: str) -> Path | None:
    """Return the file of the first whole weights of a codec with an entropy model."""
    for spec in known:
        if spec.codec == codec and spec.entropy_id == entropy_id and spec.location and not is_remote(spec.location):
            path = Path(spec.location)
            if path.is_file() and not is_decoder(path):
                return path
    return None


def _mark(*paths: Path) -> str:
    """Return what tells these files from others, and from later ones at their paths."""
    found = [(os.path.realpath(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(repr(found).encode()).hexdigest()[:12]


def _forget_others(folder: Path) -> None:
    """Remove all but the newest files."""
    with suppress(OSError):
        files = sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)
        for path in files[:-KEPT]:
            path.unlink()


def _folder() -> Path:
    return user_cache_path("nic") / "completed"


@cache
def _own_folder() -> Path:
    """Return a folder that goes with this process."""
    return Path(_temporary().name)


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="nic-")
