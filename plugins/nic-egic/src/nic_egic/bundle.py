"""Writes variables as a TensorFlow checkpoint, without TensorFlow.

A checkpoint is two files (tensorflow/core/util/tensor_bundle): the values end to end, and an index of them, a sorted
table of LevelDB's format whose entries are protocol buffers. One entry more, the object graph, says how variables hang
on objects, by which they are restored.
"""

import importlib
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nic_core.errors import NicError
from nic_core.files.atomic import atomic_path, make_folder

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
FLOAT, STRING = 1, 7
"""TensorFlow's numbers of types."""
MAGIC = 0xDB4775248B80FB57
FOOTER = 40
"""Bytes of the footer before its magic number."""
VARINT, LENGTH, FIXED = 0, 2, 5
"""Kinds of fields of protocol buffers."""


def write_variables(folder: Path, variables: Mapping[str, np.ndarray], name: str = "ckpt") -> None:
    """Write float32 variables, by the paths through the objects that hold them, into a folder as the checkpoint `name`.

    NicError where google-crc32c is not installed; CannotWrite.
    """
    crc = _crc32c()
    entries, offset = {"": _header()}, 0
    make_folder(folder)
    with atomic_path(folder / f"{name}.data-00000-of-00001") as part, part.open("wb") as data:
        for path in sorted(variables):
            value = np.ascontiguousarray(variables[path], dtype="<f4")
            content = value.tobytes()
            data.write(content)
            entries[path + VALUE] = _entry(FLOAT, value.shape, offset, len(content), _masked(crc.value(content)))
            offset += len(content)
        content, checksum = _string(_object_graph(list(variables)), crc)
        data.write(content)
        entries[GRAPH] = _entry(STRING, (), offset, len(content), checksum)
    with atomic_path(folder / f"{name}.index") as part:
        part.write_bytes(_table(entries, crc))


def _crc32c() -> Any:
    try:
        return importlib.import_module("google_crc32c")
    except ImportError as error:
        raise NicError("writing TensorFlow checkpoints needs google-crc32c: pip install 'nic-egic[export]'") from error


def _masked(crc: int) -> int:
    """Return a checksum as it is stored: of data that hold checksums, checksums say little."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | bytes) -> bytes:
    """Return a field of a protocol buffer: a number, or bytes, which may be a text or a nested one."""
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    return _varint(number << 3 | LENGTH) + _varint(len(value)) + value


def _header() -> bytes:
    """Return the BundleHeaderProto: one file of values, little-endian, version 1."""
    return _field(1, 1) + _field(3, _field(1, 1))


def _entry(dtype: int, shape: tuple[int, ...], offset: int, size: int, checksum: int) -> bytes:
    """Return the BundleEntryProto of a tensor."""
    dimensions = b"".join(_field(2, _field(1, side)) for side in shape)
    fixed = _varint(6 << 3 | FIXED) + struct.pack("<I", checksum)
    return _field(1, dtype) + _field(2, dimensions) + _field(4, offset) + _field(5, size) + fixed


def _string(text: bytes, crc: Any) -> tuple[bytes, int]:
    """Return a scalar of text as it is stored, and its checksum: the length, the length's own checksum, the text."""
    length = struct.pack("<I", len(text))
    inner = struct.pack("<I", _masked(crc.value(length)))
    return _varint(len(text)) + inner + text, _masked(crc.value(length + inner + text))


def _object_graph(paths: list[str]) -> bytes:
    """Return the TrackableObjectGraph in which every part of a path is an object, numbered as they are met."""
    numbers, children = {"": 0}, {0: dict[str, int]()}
    for path in sorted(paths):
        at = ""
        for part in path.split("/"):
            above, at = at, f"{at}/{part}"
            if at not in numbers:
                numbers[at] = len(numbers)
                children[numbers[at]] = {}
                children[numbers[above]][part] = numbers[at]
    variables = {numbers[f"/{path}"]: path for path in paths}
    nodes = []
    for number, below in children.items():
        node = b"".join(_field(1, _field(1, child) + _field(2, name.encode())) for name, child in below.items())
        if path := variables.get(number, ""):
            texts = (b"VARIABLE_VALUE", path.encode(), (path + VALUE).encode())
            node += _field(2, b"".join(_field(index, text) for index, text in enumerate(texts, 1)))
        nodes.append(_field(1, node))
    return b"".join(nodes)


def _table(entries: Mapping[str, bytes], crc: Any) -> bytes:
    """Return a sorted table with all entries in one block."""
    rows = sorted((key.encode(), value) for key, value in entries.items())
    out = bytearray()
    data = _append(out, rows, crc)
    no_more = _append(out, [], crc)
    index = _append(out, [(rows[-1][0], data)], crc)
    return bytes(out) + (no_more + index).ljust(FOOTER, b"\0") + struct.pack("<Q", MAGIC)


def _append(out: bytearray, rows: list[tuple[bytes, bytes]], crc: Any) -> bytes:
    """Append a block, and its checksum; return where it lies. No key is shortened by what it shares with the last."""
    block, starts = bytearray(), list(_starts(rows))
    for key, value in rows:
        block += _varint(0) + _varint(len(key)) + _varint(len(value)) + key + value
    block += struct.pack(f"<{len(starts) + 1}I", *starts, len(starts))
    handle = _varint(len(out)) + _varint(len(block))
    block += b"\0"  # not compressed
    out += block + struct.pack("<I", _masked(crc.value(bytes(block))))
    return handle


def _starts(rows: list[tuple[bytes, bytes]]) -> Iterator[int]:
    """Yield where each row of a block begins; a block without rows has one beginning, too."""
    at = 0
    for key, value in rows or [(b"", b"")]:
        yield at
        at += 1 + len(_varint(len(key))) + len(_varint(len(value))) + len(key) + len(value)
