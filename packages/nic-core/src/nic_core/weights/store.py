"""Where weights are found: in plugins' wheels, in the user's store, at a path, or fetched into the store."""

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from platformdirs import user_data_path

from nic_core import progress
from nic_core.errors import BadOption, BadWeights, CannotWrite, NicError, PluginFault, WeightsNotFound
from nic_core.files.atomic import atomic_path, atomic_write, make_folder
from nic_core.files.json_files import read_json
from nic_core.files.places import local as local_path
from nic_core.plugins import records
from nic_core.spec import WeightsSpec
from nic_core.weights.completing import completed
from nic_core.weights.decoders import is_decoder
from nic_core.weights.fetch import fetch, is_remote, shown
from nic_core.weights.record import none_needed, read_info, spec_of
from nic_core.weights.verification import verified, verify

logger = logging.getLogger("nic")

_passed_over: set[str] = set()
"""What was already said of files in the store."""


def store_folder() -> Path:
    """Return the user's weights folder: NIC_WEIGHTS, or the platform's place for application data.

    BadOption where NIC_WEIGHTS can be no folder.
    """
    given = os.environ.get("NIC_WEIGHTS")
    try:
        folder = Path(given).expanduser() if given else user_data_path("nic") / "weights"
    except RuntimeError as error:
        raise BadOption(f"NIC_WEIGHTS must be a folder, {given!r} is none: {error}") from error
    if folder.is_file():
        raise BadOption(f"NIC_WEIGHTS must be a folder, {folder} is a file")
    return folder


def stored() -> Iterator[WeightsSpec]:
    """Yield the weights in the user's store; others files, and altered ones, are passed over with a warning."""
    for path in sorted(store_folder().glob("*/*.safetensors")):
        try:
            info = read_info(path) if is_decoder(path) else verified(path)  # a decoder's, when it is completed
            yield replace(spec_of(path, info), sha256=_source(path).get("sha256", ""))
        except (BadWeights, WeightsNotFound, PluginFault) as error:
            if str(error) not in _passed_over:
                _passed_over.add(str(error))
                logger.warning("passing over a file in %s: %s", path.parent, error)


def available(codec: str | None = None) -> list[WeightsSpec]:
    """Return all known weights, of one codec or of all, best rank first; those in the store before a plugin's.

    For a codec without weights that is the record that says so, which has no location.
    """
    bare = _bare()
    found = [*stored(), *(spec for _, spec in records("nic_weights"))]
    found = [*bare.values(), *(spec for spec in found if spec.codec not in bare)]
    return sorted((spec for spec in found if codec in (None, spec.codec)), key=lambda spec: -spec.rank)


def _bare() -> dict[str, WeightsSpec]:
    """Return what stands for the weights of the codecs that have none."""
    return {spec.id: none_needed(spec) for _, spec in records("nic_codecs") if not spec.weights}


def add(source: str | os.PathLike[str]) -> WeightsSpec:
    """Copy a weights file, at a path or a URL, into the user's store and return its new record.

    BadWeights where it is not sound, WeightsNotFound where it is not to be had. See `local` for URLs.
    """
    text = os.fspath(local_path(source))
    if not is_remote(text):
        return _added(Path(text))
    with tempfile.TemporaryDirectory(prefix="nic-") as folder:
        path = Path(folder, "fetched.safetensors")
        sha256 = _fetch(text, path, "")
        spec = _added(path)
    _write_source(Path(spec.location), text, sha256)
    return replace(spec, sha256=sha256)


def _added(path: Path) -> WeightsSpec:
    info = verified(whole(path))
    name = re.sub(r"[^\w.-]+", "_", info.name)[:100]  # it comes from the file and may be anything
    target = store_folder() / info.codec / f"{name}-{info.entropy_id}-{info.synthesis_id}.safetensors"
    make_folder(target.parent)
    with atomic_path(target) as temporary:
        shutil.copyfile(path, temporary)
    return spec_of(target, read_info(target) if is_decoder(target) else verified(target))


def whole(path: Path) -> Path:
    """Return the weights file at a path, or what a decoder file there becomes; see `completed` for errors."""
    return completed(path, available()) if is_decoder(path) else path


def remove(spec: WeightsSpec) -> None:
    """Delete weights from the user's store; WeightsNotFound where they are not in it."""
    path = Path(spec.location)
    if store_folder().resolve() not in path.resolve().parents:
        raise WeightsNotFound(f"{spec.name} of {spec.codec} is not in {store_folder()}, it came with a package")
    try:
        path.unlink()
        _source_file(path).unlink(missing_ok=True)
    except OSError as error:
        raise CannotWrite(f"cannot remove {path}: {error.strerror}") from error


def resolve(source: str | os.PathLike[str], codec: str) -> WeightsSpec:
    """Return the record of explicitly named weights: a path, a URL, hf://owner/repository/file, or a known name.

    WeightsNotFound for none of these; BadOption where the codec needs none.
    """
    text = os.fspath(local_path(source))
    if codec in _bare():
        raise BadOption(f"{codec} needs no weights: name none")
    if is_remote(text):
        return local(WeightsSpec(codec, Path(text).stem, text))
    if os.path.isfile(text):
        return spec_of(Path(text))
    known = available(codec)
    for spec in known:
        if spec.name == text:
            return spec
    names = ", ".join(spec.name for spec in known) or "none"
    raise WeightsNotFound(f"{text!r} is neither a file nor known weights of {codec} (known: {names})")


def local(spec: WeightsSpec) -> WeightsSpec:
    """Return the record with a local file of whole weights as its location, fetched into the store if not there yet.

    Where it came from and its SHA-256 are kept beside it. A decoder file is completed, see `completed`.
    """
    if not is_remote(spec.location):
        if spec.location and is_decoder(spec.location):
            return replace(spec, location=str(whole(Path(spec.location))))
        return spec
    name = hashlib.sha256((spec.location + spec.sha256).encode()).hexdigest()[:16]
    target = store_folder() / spec.codec / f"{name}.safetensors"
    if not target.exists():
        make_folder(target.parent)
        with atomic_path(target) as temporary:
            sha256 = _fetch(spec.location, temporary, spec.sha256)
        _write_source(target, spec.location, sha256)
    return local(replace(spec_of(target), sha256=_source(target).get("sha256", "")))


def _fetch(location: str, target: Path, expected: str) -> str:
    """Fetch and verify a weights file; return its SHA-256, which must be the expected one unless that is empty."""
    sha256 = fetch(location, target)
    if expected and sha256 != expected:
        raise BadWeights(f"{shown(location)} does not have the expected SHA-256; nothing was kept")
    if not is_decoder(target):  # which is verified when it is completed
        verify(target, shown(location))
    return sha256


def _write_source(path: Path, location: str, sha256: str) -> None:
    source = {"location": shown(location), "sha256": sha256}
    atomic_write(_source_file(path), json.dumps(source).encode())
    progress.note(f"fetched {source['location']}, SHA-256 {sha256}")


def _source_file(path: Path) -> Path:
    """Return the file beside weights that says where they were fetched from."""
    return path.with_suffix(".source.json")


def _source(path: Path) -> dict[str, str]:
    with suppress(NicError):
        source = read_json(_source_file(path))
        return {name: value for name, value in source.items() if isinstance(value, str)}
    return {}
