"""The header of a safetensors file, checked before anything is read by it.

Eight bytes give the header's length, then comes JSON: for each tensor its type, shape and place in the rest of the
file, and metadata.
"""

import json
import math
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nic_core.files.json_files import parse_json

LARGEST_HEADER = 1 << 23
DEEPEST = 8
PIECE = 1 << 20
TYPES = {
    "BOOL": ("|b1", 1),
    "U8": ("|u1", 1),
    "I8": ("|i1", 1),
    "U16": ("<u2", 2),
    "I16": ("<i2", 2),
    "F16": ("<f2", 2),
    "BF16": ("bfloat16", 2),
    "U32": ("<u4", 4),
    "I32": ("<i4", 4),
    "F32": ("<f4", 4),
    "U64": ("<u8", 8),
    "I64": ("<i8", 8),
    "F64": ("<f8", 8),
}
"""numpy's name for each type, and its size in bytes; numpy knows no bfloat16."""


@dataclass(frozen=True)
class Entry:
    """A tensor in a file. dtype: numpy's name, or "bfloat16"; start, end: its bytes, from the file's beginning."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Head:
    """What the header says. metadata: text by name."""

    entries: dict[str, Entry]
    metadata: dict[str, str]

    @property
    def elements(self) -> int:
        """How many numbers all tensors have."""
        return sum(math.prod(entry.shape) for entry in self.entries.values())


def read_head(path: Path) -> Head:
    """Return the header; ValueError where it is none, or where the tensors do not fill the file exactly; OSError."""
    with path.open("rb") as file:
        raw = file.read(8)
        if len(raw) < 8:
            raise ValueError("it is too short")
        (length,) = struct.unpack("<Q", raw)
        if length > LARGEST_HEADER:
            raise ValueError("its header is too long")
        start, size = 8 + length, file.seek(0, 2)
        if start > size:
            raise ValueError("it is cut short")
        file.seek(8)
        content = parse_json(file.read(length))
    if not isinstance(content, dict):
        raise ValueError("its header is no JSON object")
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata is not text by name")
    entries = {name: _entry(name, value, start) for name, value in content.items()}
    spans = sorted((entry.start, entry.end) for entry in entries.values())
    if [start, *(end for _, end in spans)] != [*(begin for begin, _ in spans), size]:
        raise ValueError("its tensors overlap, leave gaps or end elsewhere than the file")
    return Head(entries, metadata)


def with_metadata(path: Path, output: Path, metadata: dict[str, str]) -> None:
    """Write a file again with other metadata, its tensors as they are. ValueError and OSError as `read_head`."""
    read_head(path)
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        content = parse_json(file.read(length))
        content["__metadata__"] = {**content.get("__metadata__", {}), **metadata}
        header = json.dumps(content, separators=(",", ":")).encode()
        header += b" " * (-len(header) % 8)  # so that tensors lie aligned
        with output.open("wb") as out:
            out.write(struct.pack("<Q", len(header)) + header)
            shutil.copyfileobj(file, out, PIECE)


def write_tensors(path: Path, tensors: Mapping[str, tuple[Entry, bytes | Path]], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file of tensors that lie in other files, or in memory.

    tensors: by name, each with its entry there, whose bytes are given or lie in a file. OSError.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    kinds = {numpy: kind for kind, (numpy, _) in TYPES.items()}
    place = 0
    # Wider types first, so that all lie aligned.
    order = sorted(tensors, key=lambda name: (-TYPES[kinds[tensors[name][0].dtype]][1], name))
    for name in order:
        entry, _ = tensors[name]
        size = entry.end - entry.start
        span = [place, place + size]
        header[name] = {"dtype": kinds[entry.dtype], "shape": list(entry.shape), "data_offsets": span}
        place += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            entry, content = tensors[name]
            if isinstance(content, bytes):
                out.write(content)
                continue
            with content.open("rb") as file:
                file.seek(entry.start)
                left = entry.end - entry.start
                while piece := file.read(min(left, PIECE)):
                    out.write(piece)
                    left -= len(piece)


def _entry(name: str, value: Any, start: int) -> Entry:
    """Return a tensor's entry; ValueError where it contradicts itself."""
    try:
        (dtype, size), shape, (begin, end) = TYPES[value["dtype"]], value["shape"], value["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the entry of {name[:80]!r} is damaged") from error
    numbers = [*shape, begin, end] if isinstance(shape, list) and len(shape) <= DEEPEST else [-1]
    if not all(type(number) is int and 0 <= number < 1 << 48 for number in numbers):
        raise ValueError(f"the entry of {name[:80]!r} is damaged")
    if end - begin != size * math.prod(shape):
        raise ValueError(f"{name[:80]!r} has not as many bytes as its shape needs")
    return Entry(dtype, tuple(shape), start + begin, start + end)
