"""Weights files: the record in their header, and the fingerprints over what they hold.

A weights file is safetensors; its header holds one JSON record under the key "nic" (`WeightsInfo`). Reading the record
touches no tensor and needs no torch.
"""

import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from nic_core.errors import BadWeights, WeightsNotFound
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
