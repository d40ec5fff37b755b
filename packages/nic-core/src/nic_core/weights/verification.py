"""Fingerprints computed from what a weights file holds, since a record can say anything.

A file that was found sound is remembered by its path, size, time and inode, in the user's cache folder too, so that it
is not read through whenever nic starts.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from nic_core.errors import BadWeights, CannotWrite, CodecNotFound, NicError, WeightsNotFound
from nic_core.files.atomic import atomic_write, make_folder
from nic_core.files.json_files import read_json
from nic_core.plugins import blamed, codec_spec
from nic_core.spec import resolve
from nic_core.weights.decoders import is_decoder
from nic_core.weights.record import WeightsInfo, read_info
from nic_core.weights.tensors import Entry, read_head

if TYPE_CHECKING:
    import numpy as np

Identity = tuple[str, int, int, int]
REMEMBERED = 500
"""Files that the cache keeps at most."""

_found: dict[Identity, WeightsInfo | str] = {}
"""What this process knows of files: their records, or what is wrong with them."""


def verified(path: Path) -> WeightsInfo:
    """Return the record of a weights file, after `verify` found nothing wrong with it, now or earlier; see there."""
    identity = _identity(path)
    if identity not in _found:
        try:
            _found[identity] = _verified(path, identity)
        except BadWeights as error:
            _found[identity] = str(error)
    found = _found[identity]
    if isinstance(found, str):
        raise BadWeights(found)
    return found


def verify(path: Path, name: str = "") -> WeightsInfo:
    """Return the record of a weights file whose tensors and config are those that it was made with.

    name: what errors call the file, if not by its name.
    BadWeights where the file is none, a fingerprint is another or a tensor is not finite; WeightsNotFound.
    """
    name = name or path.name
    if is_decoder(path):
        raise BadWeights(f"{name} is a decoder alone: whole weights are needed here, which have the encoder too")
    info = read_info(path, name)
    computed = fingerprints(path, info, name)
    expected = _by_rule(info) or computed
    for what, found, said in zip(("entropy", "synthesis"), expected, (info.entropy_id, info.synthesis_id), strict=True):
        if found != said:
            raise BadWeights(
                f"{name} was altered: what it holds has the {what} fingerprint {found}, its record says {said}"
            )
    return info


def _verified(path: Path, identity: Identity) -> WeightsInfo:
    info = read_info(path)
    place, *rest = identity
    mark = [*rest, info.entropy_id, info.synthesis_id]
    remembered = _remembered()
    if remembered.get(place) != mark:
        verify(path)
        remembered.pop(place, None)
        newest = list({**remembered, place: mark}.items())[-REMEMBERED:]
        with suppress(CannotWrite, OSError):  # a cache that cannot be written costs time only
            make_folder(_cache().parent)
            atomic_write(_cache(), json.dumps(dict(newest)).encode())
    return info


def _identity(path: Path) -> Identity:
    """Return what changes when another file takes a path."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise WeightsNotFound(f"cannot read {path}: {getattr(error, 'strerror', '') or error}") from error
    return os.path.realpath(path), found.st_size, found.st_mtime_ns, found.st_ino


def _cache() -> Path:
    return user_cache_path("nic") / "verified-1.json"  # another number where another check makes this one too little


def _remembered() -> dict[str, Any]:
    with suppress(NicError):
        return read_json(_cache())
    return {}


def _by_rule(info: WeightsInfo) -> tuple[str, str] | None:
    """Return the fingerprints by the codec's own rule, None where it has none."""
    try:
        spec = codec_spec(info.codec)
    except CodecNotFound:
        return None
    if not spec.fingerprints:
        return None
    with blamed(spec, "computing fingerprints"):
        entropy_id, synthesis_id = resolve(spec.fingerprints)(info)
    return entropy_id, synthesis_id


def fingerprints(path: Path, info: WeightsInfo, name: str = "") -> tuple[str, str]:
    """Return the entropy and synthesis fingerprints of a file's tensors and config; see `record.fingerprint`.

    BadWeights for a tensor that is not finite.
    """
    import numpy as np  # here, as `nic` must start fast and seldom needs to look into a file

    digests = {
        role: hashlib.sha256(json.dumps(config, sort_keys=True).encode())
        for role, config in (("entropy", info.scope.deciding(info.config)), ("synthesis", info.config))
    }
    data = np.memmap(path, np.uint8, "r")
    for tensor, entry in sorted(read_head(path).entries.items()):
        content = data[entry.start : entry.end]
        if not _is_finite(content, entry):
            raise BadWeights(f"{name or path.name} cannot be used: {tensor[:80]!r} has values that are not finite")
        if digest := digests.get(info.scope.role(tensor)):
            digest.update(f"{tensor} {entry.dtype} {entry.shape}".encode())
            digest.update(content.data)
    return digests["entropy"].hexdigest()[:8], digests["synthesis"].hexdigest()[:8]


def _is_finite(content: np.ndarray, entry: Entry) -> bool:
    import numpy as np  # as above

    if entry.dtype == "bfloat16":  # the upper half of a float32
        return bool(((content.view("<u2") & 0x7F80) != 0x7F80).all())
    return entry.dtype[1] != "f" or bool(np.isfinite(content.view(entry.dtype)).all())
