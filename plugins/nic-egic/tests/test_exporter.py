"""TensorFlow checkpoints written without TensorFlow: read again by their format, and by TensorFlow where it is."""

import re
import struct
import sys
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from egic_reference import published, small_model
from nic_core import plugins
from nic_core.errors import BadWeights, NicError
from nic_core.weights import WeightsInfo
from nic_egic import importer
from nic_egic.bundle import GRAPH, MAGIC, VALUE, write_variables
from nic_egic.exporter import export_checkpoint
from nic_egic.importer import import_checkpoint
from nic_egic.variables import read_variables
from nic_nn.weights.export import export
from nic_nn.weights.loading import read_state


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights file of a small model, and the model."""
    path, model = tmp_path_factory.mktemp("weights") / "w.safetensors", small_model(orp=True)
    export(model, path, WeightsInfo("egic", "w", {}, "", ""), floats=True)
    return path, model


def unmask(stored: int) -> int:
    rotated = (stored - 0xA282EAD8) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def rows(data: bytes, handle: bytes) -> list[tuple[bytes, bytes]]:
    """Return the rows of a block whose checksum is right."""
    start, at = varint(handle, 0)
    size, _ = varint(handle, at)
    block, kind, (checksum,) = (
        data[start : start + size],
        data[start + size],
        struct.unpack_from("<I", data, start + size + 1),
    )
    assert kind == 0 and unmask(checksum) == google_crc32c.value(data[start : start + size + 1])
    (count,) = struct.unpack_from("<I", block, size - 4)
    starts, found, at = struct.unpack_from(f"<{count}I", block, size - 4 - 4 * count), [], 0
    while at < size - 4 - 4 * count:
        assert at in starts
        shared, at = varint(block, at)
        length, at = varint(block, at)
        value, at = varint(block, at)
        assert shared == 0
        found.append((block[at : at + length], block[at + length : at + length + value]))
        at += length + value
    return found


def fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """Return the fields of a protocol buffer by their numbers."""
    found, at = [], 0
    while at < len(message):
        key, at = varint(message, at)
        if key & 7 == 0:
            value, at = varint(message, at)
        elif key & 7 == 5:
            (value,), at = struct.unpack_from("<I", message, at), at + 4
        else:
            length, at = varint(message, at)
            value, at = message[at : at + length], at + length
        found.append((key >> 3, value))
    return found


def read_bundle(folder: Path) -> tuple[dict[str, np.ndarray], bytes]:
    """Return the values in a checkpoint, each of the right checksum, and its object graph."""
    index, data = (folder / "ckpt.index").read_bytes(), (folder / "ckpt.data-00000-of-00001").read_bytes()
    assert struct.unpack("<Q", index[-8:]) == (MAGIC,)
    footer = index[-48:-8]
    _, at = varint(footer, 0)
    _, at = varint(footer, at)
    ((last, handle),) = rows(index, footer[at:])
    entries = rows(index, handle)
    assert [key for key, _ in entries] == sorted(key for key, _ in entries) and entries[-1][0] == last
    assert entries[0] == (b"", bytes.fromhex("08011a020801"))
    values, graph = {}, b""
    for key, message in entries[1:]:
        entry = dict(fields(message))
        content = data[entry[4] : entry[4] + entry[5]]
        if key.decode() == GRAPH:
            length, at = varint(content, 0)
            graph = content[at + 4 :]
            assert len(graph) == length and entry[1] == 7
            continue
        assert unmask(entry[6]) == google_crc32c.value(content) and entry[1] == 1
        shape = [dict(fields(side))[1] for number, side in fields(entry[2]) if number == 2]
        values[key.decode().removesuffix(VALUE)] = np.frombuffer(content, "<f4").reshape(shape)
    return values, graph


def test_every_variable_is_there_as_the_authors_save_it(weights, tmp_path):
    path, model = weights
    export_checkpoint("egic", path, tmp_path / "out")
    values, graph = read_bundle(tmp_path / "out")
    expected = published(model)
    assert values.keys() == expected.keys()
    assert all(np.array_equal(values[name], value) for name, value in expected.items())
    nodes = [fields(node) for _, node in fields(graph)]
    for name in expected:
        at = 0
        for part in name.split("/"):
            children = [dict(fields(value)) for number, value in nodes[at] if number == 1]
            (at,) = [child[1] for child in children if child[2] == part.encode()]
        (attribute,) = [dict(fields(value)) for number, value in nodes[at] if number == 2]
        assert (attribute[1], attribute[3]) == (b"VARIABLE_VALUE", f"{name}{VALUE}".encode())


def test_weights_go_back_and_forth(weights, tmp_path, monkeypatch):
    path, _ = weights
    export_checkpoint("egic", path, tmp_path / "out")
    monkeypatch.setattr(importer, "read_variables", lambda folder: read_bundle(folder)[0])
    import_checkpoint("egic", tmp_path / "out", tmp_path / "again.safetensors")
    before, after = read_state(path), read_state(tmp_path / "again.safetensors")
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]).all() for name in before)


def test_tensorflow_reads_it(weights, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    path, model = weights
    export_checkpoint("egic", path, tmp_path / "out")
    found, expected = read_variables(tmp_path / "out"), published(model)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], value) for name, value in expected.items())
    root, held = tensorflow.Module(), tensorflow.Module()
    name, value = "layer_with_weights-0/kernel", np.arange(6, dtype=np.float32).reshape(2, 3)
    write_variables(tmp_path / "two", {f"model/{name}": value})
    held._track_trackable(tensorflow.Module(), "layer_with_weights-0")
    kernel = tensorflow.Variable(np.zeros((2, 3), np.float32))
    held._trackable_children()["layer_with_weights-0"]._track_trackable(kernel, "kernel")
    root._track_trackable(held, "model")
    tensorflow.train.Checkpoint(root).read(str(tmp_path / "two" / "ckpt")).assert_consumed()
    assert np.array_equal(kernel.numpy(), value)


def test_without_the_checksums_library_the_error_says_what_to_install(weights, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    with pytest.raises(NicError, match=r"pip install 'nic-egic\[export\]'"):
        export_checkpoint("egic", weights[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_weights_are_refused(weights, tmp_path):
    with pytest.raises(BadWeights, match="holds weights of egic, not of other"):
        export_checkpoint("other", weights[0], tmp_path / "out")


def test_what_the_authors_folder_is_searched_for():
    specs = {spec.name: spec for _, spec in plugins.records("nic_checkpoints") if spec.codec == "egic"}
    chosen = {name: [path for path in PATHS if re.fullmatch(spec.member, path)] for name, spec in specs.items()}
    assert chosen == {
        "egic": ["models/kkshms2024/variables/variables.index"],
        "oasis-c": ["models/oasis_n+1_256x256_coco_weightnorm/ckpt-1000000.index"],
        "lpips": ["models/lpips_weights/rgb24_lpips.pb"],
    }
    assert re.fullmatch(specs["egic"].beside, "variables.data-00000-of-00001")
    assert [name for name, spec in specs.items() if spec.importable] == ["egic"]


PATHS = (
    "models/kkshms2024/saved_model.pb",
    "models/kkshms2024/variables/variables.index",
    "models/kkshms2024/variables/variables.data-00000-of-00001",
    "models/oasis_n+1_256x256_coco_weightnorm/ckpt-1000000.index",
    "models/oasis_n+1_256x256_coco_weightnorm/ckpt-1000000.data-00000-of-00001",
    "models/lpips_weights/rgb24_lpips.pb",
)
