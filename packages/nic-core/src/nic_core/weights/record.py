"""Weights files: the record in their header, and the fingerprints over what they hold.

A weights file is safetensors; its header holds one JSON record under the key "nic" (`WeightsInfo`). Reading the record
touches no tensor and needs no torch.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nic_core.errors import BadWeights, WeightsNotFound
from nic_core.files.json_files import parse_json
from nic_core.spec import HIGHEST_RANK, CodecSpec, WeightsSpec
from nic_core.weights.tensors import read_head, with_metadata

if TYPE_CHECKING:
    import numpy as np

KEY = "nic"
DECODER_KEY = "nic-decoder"
"""Where a file that holds a synthesis alone has its record; see `nic_core.weights.decoders`."""
DECODER_RANK = -1
"""Of such files at most: none is what is encoded with by default."""
GRAPHS = "graphs"
"""The first part of the names of tensors that hold graphs of the transforms, see `nic_latent.graphs`."""
FLOATS = "floats"
"""The first part of the names of float parameters whose integers decide symbols, see `nic_nn.weights.export`."""
NOTHING = "00000000"
"""The fingerprints in files of codecs without weights."""
LONGEST_TEXT = 255
MOST_SHARED = 8

T = TypeVar("T")


@dataclass(frozen=True)
class Scope:
    """What each fingerprint covers, by the first parts of tensors' names (before a dot) and by fields of the config.

    synthesis: tensors under the synthesis fingerprint; analysis: tensors under neither, which only encoders need. All
    others decide symbols and are under the entropy fingerprint, except graphs and floats, which say in another form
    what transforms and integers do and are under neither.
    synthesis_config: fields of the config that the entropy fingerprint leaves out.
    shared: (of the analysis, of the synthesis): parts that have the same tensors, which the file holds once, under the
        second name.
    """

    synthesis: tuple[str, ...] = ("g_s",)
    analysis: tuple[str, ...] = ("g_a", "h_a")
    synthesis_config: tuple[str, ...] = ()
    shared: tuple[tuple[str, str], ...] = ()

    def role(self, name: str) -> str:
        """Return "synthesis", "analysis", "graphs", "floats" or "entropy" for a tensor's name."""
        top = name.partition(".")[0]
        if top in (GRAPHS, FLOATS):
            return top
        return "synthesis" if top in self.synthesis else "analysis" if top in self.analysis else "entropy"

    def deciding(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of a config that decides symbols, which the entropy fingerprint covers."""
        return {name: value for name, value in config.items() if name not in self.synthesis_config}

    def whole(self, held: Mapping[str, T]) -> dict[str, T]:
        """Return what a file holds by tensors' names, or its tensors, under both names of those that are shared."""
        both = {
            f"{copy}.{name.removeprefix(f'{part}.')}": value
            for copy, part in self.shared
            for name, value in held.items()
            if name.startswith(f"{part}.")
        }
        return {**both, **held}


@dataclass(frozen=True)
class WeightsInfo:
    """The record in a weights file.

    codec, name: whose weights, and what they are called. config: what the codec rebuilds its model from.
    quality: one number, or (lowest, highest) where the weights cover a range, or None if unknown.
    lmbda: the rate-distortion trade-off they were trained for, None where there is no single one.
    entropy_id: fingerprint of all that decides the symbols; synthesis_id: of the synthesis transform.
    scope: what each of them covers.
    rank, licence, provenance: see `WeightsSpec`; provenance says data, steps, command and versions.
    decoder: what the synthesis is called, empty where nothing says; see `WeightsSpec`.
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
    scope: Scope = Scope()
    decoder: str = ""

    def to_metadata(self, key: str = KEY) -> dict[str, str]:
        """Return the safetensors metadata; ValueError for a record that could not be read again."""
        checked(self)
        record = asdict(self)
        if not self.scope.shared:
            del record["scope"]["shared"]
        return {key: json.dumps(record, sort_keys=True)}

    @property
    def covers_range(self) -> bool:
        """Whether one set of weights serves many qualities."""
        return isinstance(self.quality, tuple)

    @property
    def integers(self) -> str:
        """What the integers that decide symbols were made from, in a line; empty where the record does not say."""
        made = self.provenance.get("integers")
        summary = str(made.get("summary", "")) if isinstance(made, dict) else ""
        return summary if is_plain(summary) else ""


def fingerprint(tensors: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> str:
    """Return the first 4 bytes, in hexadecimal, of the SHA-256 over a config and named arrays.

    Hashed: the config as JSON with sorted keys, then for each name in order the name, type, shape and C-order bytes.
    """
    import numpy as np  # here, as `nic` must start fast

    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:8]


def read_info(path: Path, name: str = "") -> WeightsInfo:
    """Return the record of a weights file, believed as it is; BadWeights where it is none. See `verification.verified`.

    Of a file that holds a synthesis alone it is that of the weights that this becomes.
    name: what errors call the file, if not by its name.
    """
    try:
        metadata = read_head(path).metadata
        if DECODER_KEY in metadata:
            info = _info(parse_json(metadata[DECODER_KEY]))
            return replace(info, rank=min(info.rank, DECODER_RANK))
        return _info(parse_json(metadata[KEY]))
    except OSError as error:
        raise WeightsNotFound(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        reason = "it holds no record of nic" if isinstance(error, KeyError) else error
        raise BadWeights(
            f"{name or path.name} is no nic weights file: {reason} (see 'nic weights import --help' for others)"
        ) from error


def relabel(path: Path, output: Path, info: WeightsInfo) -> None:
    """Write a weights file again with another record of the same tensors and config; see `read_info` for errors."""
    try:
        with_metadata(path, output, info.to_metadata())
    except ValueError as error:
        raise BadWeights(f"{path.name} cannot be labelled: {error}") from error


def _info(record: Any) -> WeightsInfo:
    """Return the record that JSON makes; ValueError or TypeError for another form. Unknown entries are ignored."""
    if not isinstance(record, dict):
        raise ValueError("its record is no JSON object")
    known = {field.name for field in fields(WeightsInfo)}
    values = {key: _frozen(value) for key, value in record.items() if key in known and key != "scope"}
    return checked(WeightsInfo(**values, scope=_scope(record.get("scope", {}))))


def checked(info: WeightsInfo) -> WeightsInfo:
    """Return a record whose every value has its type and range; ValueError otherwise."""
    if wrong := next((name for name, fits in _checks(info) if not fits), ""):
        raise ValueError(f"{wrong} has a value that it cannot have")
    return info


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _scope(record: Any) -> Scope:
    fault = ValueError("scope has a value that it cannot have")
    if not isinstance(record, dict) or not isinstance(pairs := record.get("shared", []), list):
        raise fault
    lists = {name: value for name, value in record.items() if name != "shared"}
    if not all(isinstance(names, list) and all(map(is_plain, names)) for names in (*lists.values(), *pairs)):
        raise fault
    scope = Scope(**{name: tuple(names) for name, names in lists.items()})
    if len(pairs) > MOST_SHARED or any(len(pair) != 2 for pair in pairs):
        raise fault
    # Anything else would let parts stand for what a fingerprint covers.
    if any(copy not in scope.analysis or part not in scope.synthesis for copy, part in pairs):
        raise fault
    return replace(scope, shared=tuple((copy, part) for copy, part in pairs))


def _checks(info: WeightsInfo) -> Iterator[tuple[str, bool]]:
    """Yield every field of a record with whether its value has the right type and range."""
    yield "codec", isinstance(info.codec, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", info.codec) is not None
    yield "name", is_plain(info.name) and info.name != ""
    yield "licence", is_plain(info.licence)
    yield "decoder", is_decoder_name(info.decoder)
    for name in ("entropy_id", "synthesis_id"):
        value = getattr(info, name)
        yield name, isinstance(value, str) and re.fullmatch("[0-9a-f]{8}", value) is not None
    for name in ("config", "provenance"):
        yield name, isinstance(getattr(info, name), dict)
    qualities = info.quality if isinstance(info.quality, tuple) else () if info.quality is None else (info.quality,)
    yield "quality", all(_is_number(value, 1, 100) for value in qualities)
    yield "quality", not isinstance(info.quality, tuple) or (len(qualities) == 2 and qualities[0] <= qualities[1])
    yield "lmbda", info.lmbda is None or _is_number(info.lmbda, 0, 1e12)
    yield "rank", type(info.rank) is int and abs(info.rank) <= HIGHEST_RANK
    yield "provenance's summary", is_plain(info.provenance.get("summary", ""))


def _is_number(value: Any, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high  # bool is another type, NaN is nowhere between


def is_decoder_name(text: Any) -> bool:
    """Whether something can be the name of a decoder: as a codec's id, or empty."""
    return isinstance(text, str) and re.fullmatch("([a-z0-9][a-z0-9-]{0,62})?", text) is not None


def is_plain(text: Any) -> bool:
    """Whether something is text of at most 255 characters that all print, and do nothing else to a terminal."""
    return isinstance(text, str) and len(text) <= LONGEST_TEXT and text.isprintable()


def plain(text: str) -> str:
    """Return text as a record's name: characters that do not print replaced, what is too long cut."""
    return "".join(character if character.isprintable() else "_" for character in text)[:LONGEST_TEXT] or "_"


def spec_of(path: Path, info: WeightsInfo | None = None) -> WeightsSpec:
    """Return the record of a weights file as a plugin would yield it. info: the record, read if it is not given."""
    info = info or read_info(path)
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
        decoder=info.decoder,
    )


def none_needed(codec: CodecSpec) -> WeightsSpec:
    """Return the record that stands for the weights of a codec that has none; it has no location."""
    return WeightsSpec(codec.id, "none needed", "", codec.quality, NOTHING, NOTHING)


def bundled(package: str) -> Iterator[WeightsSpec]:
    """Yield the weights in the folder `weights` of a plugin's package, without importing the package's modules."""
    found = find_spec(package)
    for folder in (found.submodule_search_locations or []) if found else []:
        for path in sorted(Path(folder, "weights").glob("*.safetensors")):
            yield spec_of(path)
