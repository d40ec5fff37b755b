"""Where weights are found: in plugins' wheels, in the user's store, at a path, or fetched into the store."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from platformdirs import user_data_path

from nic_core.errors import BadWeights, CannotWrite, WeightsNotFound
from nic_core.files.atomic import atomic_path, make_folder
from nic_core.plugins import records
from nic_core.spec import WeightsSpec
from nic_core.weights.fetch import fetch
from nic_core.weights.record import read_info, spec_of


def store_folder() -> Path:
    """Return the user's weights folder: NIC_WEIGHTS, or the platform's place for application data."""
    return Path(os.environ.get("NIC_WEIGHTS") or user_data_path("nic") / "weights")


def stored() -> Iterator[WeightsSpec]:
    """Yield the weights in the user's store; files that are none are passed over."""
    for path in sorted(store_folder().glob("*/*.safetensors")):
        try:
            yield spec_of(path)
        except (BadWeights, WeightsNotFound):
            continue


def available(codec: str | None = None) -> list[WeightsSpec]:
    """Return all known weights, of one codec or of all, best rank first; those in the store before a plugin's."""
    found = [*stored(), *(spec for _, spec in records("nic_weights"))]
    return sorted((spec for spec in found if codec in (None, spec.codec)), key=lambda spec: -spec.rank)


def add(path: Path) -> WeightsSpec:
    """Copy a weights file into the user's store and return its new record."""
    info = read_info(path)
    name = re.sub(r"[^\w.-]+", "_", info.name)[:100]  # it comes from the file and may be anything
    target = store_folder() / info.codec / f"{name}-{info.entropy_id}-{info.synthesis_id}.safetensors"
    make_folder(target.parent)
    with atomic_path(target) as temporary:
        shutil.copyfile(path, temporary)
    return spec_of(target)


def remove(spec: WeightsSpec) -> None:
    """Delete weights from the user's store; WeightsNotFound where they are not in it."""
    path = Path(spec.location)
    if store_folder().resolve() not in path.resolve().parents:
        raise WeightsNotFound(f"{spec.name} of {spec.codec} is not in {store_folder()}, it came with a package")
    try:
        path.unlink()
    except OSError as error:
        raise CannotWrite(f"cannot remove {path}: {error.strerror}") from error


def resolve(source: str | os.PathLike[str], codec: str) -> WeightsSpec:
    """Return the record of explicitly named weights: a path, a URL, hf://owner/repository/file, or a known name."""
    text = os.fspath(source)
    if is_remote(text):
        return local(WeightsSpec(codec, Path(text).stem, text))
    if (path := Path(text)).is_file():
        return spec_of(path)
    known = available(codec)
    for spec in known:
        if spec.name == text:
            return spec
    names = ", ".join(spec.name for spec in known) or "none"
    raise WeightsNotFound(f"{text!r} is neither a file nor known weights of {codec} (known: {names})")


def is_remote(location: str) -> bool:
    """Whether a location must be fetched."""
    return location.startswith(("https://", "http://", "hf://"))


def local(spec: WeightsSpec) -> WeightsSpec:
    """Return the record with a local file as its location, fetched into the store if it is not there yet."""
    if not is_remote(spec.location):
        return spec
    name = hashlib.sha256(spec.location.encode()).hexdigest()[:16]
    target = store_folder() / spec.codec / f"{name}.safetensors"
    if not target.exists():
        make_folder(target.parent)
        with atomic_path(target) as temporary:
            fetch(spec.location, temporary)
            if spec.sha256 and hashlib.sha256(temporary.read_bytes()).hexdigest() != spec.sha256:
                raise BadWeights(f"{spec.location} does not have the expected SHA-256; nothing was kept")
            read_info(temporary)
    return replace(spec_of(target), location=str(target))
