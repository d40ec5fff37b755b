"""Weights files, their fingerprints, and where they are found.

A weights file is safetensors; its header holds one JSON record under the key "nic" (`WeightsInfo`). It can lie in a
plugin's wheel, in the user's store, at a path, at a URL or in a Hugging Face repository. Reading the record touches no
tensor and needs no torch.
"""

import hashlib
import json
import os
import re
import shutil
import struct
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_data_path

from nic_core.atomic import atomic_path, make_folder
from nic_core.errors import BadWeights, CannotWrite, WeightsNotFound
from nic_core.plugins import records
from nic_core.spec import WeightsSpec

KEY = "nic"
LARGEST_HEADER = 1 << 26


@dataclass(frozen=True)
class WeightsInfo:
    """The record in a weights file.

    codec, name: whose weights, and what they are called. config: what the codec rebuilds its model from.
    quality: one number, or (lowest, highest) where the weights cover a range, or None if unknown.
    lmbda: the rate-distortion trade-off they were trained for, None where there is no single one.
    entropy_id: fingerprint of all that decides the symbols; synthesis_id: of the synthesis transform.
    rank, licence, provenance: see `WeightsSpec`; provenance says data, steps, command and versions.
    """

    codec: str
    name: str
    config: dict[str, Any]
    entropy_id: str
    synthesis_id: str
    quality: float | tuple[float, float] | None = None
    lmbda: float | None = None
    rank: int = 0
    licence: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, str]:
        """Return the safetensors metadata."""
        return {KEY: json.dumps(asdict(self), sort_keys=True)}

    @property
    def covers_range(self) -> bool:
        """Whether one set of weights serves many qualities."""
        return isinstance(self.quality, tuple)


def fingerprint(tensors: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> str:
    """Return the first 4 bytes, in hexadecimal, of the SHA-256 over a config and named arrays.

    Hashed: the config as JSON with sorted keys, then for each name in order the name, type, shape and C-order bytes.
    """
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:8]


def read_info(path: Path) -> WeightsInfo:
    """Return the record of a weights file; BadWeights where it is none."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > LARGEST_HEADER:
                raise ValueError
            head = json.loads(file.read(length))
        return _info(json.loads(head["__metadata__"][KEY]))
    except OSError as error:
        raise WeightsNotFound(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise BadWeights(f"{path.name} is no nic weights file (see 'nic weights import --help' for others)") from error


def _info(record: dict[str, Any]) -> WeightsInfo:
    """Return a record read from a file; an error of any kind where it has another form. Unknown entries are ignored."""
    known = {field.name for field in fields(WeightsInfo)}
    info = WeightsInfo(**{key: value for key, value in record.items() if key in known})
    if isinstance(info.quality, list):
        low, high = info.quality
        info = replace(info, quality=(low, high))
    qualities = info.quality if isinstance(info.quality, tuple) else (info.quality or 1,)
    texts, tables = (info.name, info.licence), (info.config, info.provenance)
    if not (
        re.fullmatch("[a-z0-9-]+", info.codec)
        and all(re.fullmatch("[0-9a-f]{8}", text) for text in (info.entropy_id, info.synthesis_id))
        and all(1 <= quality <= 100 for quality in qualities)
        and all(isinstance(text, str) for text in texts)
        and all(isinstance(table, dict) for table in tables)
        and isinstance(info.rank, int)
    ):
        raise ValueError("a value is not of its type or out of its range")
    return info


def spec_of(path: Path) -> WeightsSpec:
    """Return the record of a weights file as a plugin would yield it."""
    info = read_info(path)
    return WeightsSpec(
        info.codec,
        info.name,
        str(path),
        info.quality,
        info.entropy_id,
        info.synthesis_id,
        info.rank,
        info.licence,
        str(info.provenance.get("summary", "")),
    )


def bundled(package: str) -> Iterator[WeightsSpec]:
    """Yield the weights in the folder `weights` of a plugin's package, without importing the package's modules."""
    found = find_spec(package)
    for folder in (found.submodule_search_locations or []) if found else []:
        for path in sorted(Path(folder, "weights").glob("*.safetensors")):
            yield spec_of(path)


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
            _fetch(spec.location, temporary)
            if spec.sha256 and hashlib.sha256(temporary.read_bytes()).hexdigest() != spec.sha256:
                raise BadWeights(f"{spec.location} does not have the expected SHA-256; nothing was kept")
            read_info(temporary)
    return replace(spec_of(target), location=str(target))


def _fetch(location: str, target: Path) -> None:
    """Write what lies at a URL or in a Hugging Face repository to `target`; WeightsNotFound where it is not whole."""
    try:
        if location.startswith("hf://"):
            _fetch_from_hub(location, target)
        else:
            _fetch_from_web(location, target)
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsNotFound(f"cannot fetch {location}: {error}") from error


def _fetch_from_hub(location: str, target: Path) -> None:
    try:
        from huggingface_hub import hf_hub_download  # an optional dependency
    except ImportError as error:
        raise WeightsNotFound(f"{location} needs huggingface_hub: pip install 'nic-core[hub]'") from error
    parts = location.removeprefix("hf://").split("/", 2)
    if len(parts) != 3:
        raise ValueError("it must be hf://owner/repository/file")
    shutil.copyfile(hf_hub_download("/".join(parts[:2]), parts[2]), target)


def _fetch_from_web(location: str, target: Path) -> None:
    from rich.console import Console  # slow to import, needed only here
    from rich.markup import escape
    from rich.progress import wrap_file

    name = escape(location.rpartition("/")[2])
    with urllib.request.urlopen(location, timeout=30) as response, target.open("wb") as out:
        size = int(response.headers.get("Content-Length") or 0)
        console = Console(stderr=True)  # standard output may be a picture
        with wrap_file(
            response,
            size,
            description=f"fetching {name}",
            transient=True,
            console=console,
            disable=not console.is_terminal,
        ) as shown:
            shutil.copyfileobj(shown, out)
    if size and target.stat().st_size != size:
        raise OSError(f"the connection ended after {target.stat().st_size} of {size} bytes")
