"""Weights files: their record, their fingerprints, and the store."""

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from nic_core import weights
from nic_core.errors import BadOption, BadWeights, CannotWrite, WeightsNotFound
from nic_core.weights import WeightsInfo, fingerprint
from safetensors.numpy import save_file

Make = Callable[..., Path]


def test_fingerprints_never_change() -> None:
    tensors = {"b.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([-1, 7], np.int32)}
    assert fingerprint(tensors, {"widths": (4, 6), "rate": 0.5}) == "5ef3c401"
    assert fingerprint({}, {}) == hashlib.sha256(b"{}").hexdigest()[:8]


def test_fingerprints_see_everything_but_order_and_layout() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    start = fingerprint({"a": array, "b": array}, {"x": 1, "y": [2]})
    assert fingerprint({"b": np.asfortranarray(array), "a": array}, {"y": (2,), "x": 1}) == start
    others = [
        ({"a": array, "c": array}, {"x": 1, "y": [2]}),
        ({"a": array, "b": array.T}, {"x": 1, "y": [2]}),
        ({"a": array, "b": array.astype(np.float64)}, {"x": 1, "y": [2]}),
        ({"a": array, "b": array + 1e-7}, {"x": 1, "y": [2]}),
        ({"a": array, "b": array}, {"x": 1, "y": [3]}),
    ]
    assert start not in [fingerprint(*other) for other in others]


def test_a_record_comes_back(tmp_path: Path, make_weights: Make) -> None:
    path = make_weights(
        tmp_path / "w.safetensors", "zip", "w", quality=(1.0, 90.5), rank=3, licence="MIT", provenance={"summary": "Hi"}
    )
    info = weights.read_info(path)
    assert (info.codec, info.name, info.quality, info.covers_range) == ("zip", "w", (1.0, 90.5), True)
    spec = weights.spec_of(path)
    assert (spec.location, spec.summary, spec.entropy_id) == (str(path), "Hi", info.entropy_id)


def with_record(path: Path, record: Any) -> Path:
    """Write a safetensors file that has this as its record."""
    save_file({"a": np.zeros(1)}, path, {"nic": record if isinstance(record, str) else json.dumps(record)})
    return path


RECORD = {"codec": "zip", "name": "w", "config": {}, "entropy_id": "0" * 8, "synthesis_id": "f" * 8}


def test_unknown_entries_of_a_record_are_ignored(tmp_path: Path) -> None:
    assert weights.read_info(with_record(tmp_path / "w", RECORD | {"colour": "red"})).name == "w"


@pytest.mark.parametrize(
    "record",
    [
        "not JSON",
        "[" * 100_000,
        "[]",
        "5",
        {},
        {key: value for key, value in RECORD.items() if key != "config"},
        RECORD | {"codec": "../../elsewhere"},
        RECORD | {"codec": 5},
        RECORD | {"name": None},
        RECORD | {"entropy_id": ""},
        RECORD | {"entropy_id": "XYZ01234"},
        RECORD | {"quality": 0.5},
        RECORD | {"codec": "x" * 64},
        RECORD | {"codec": "zip\n"},
        RECORD | {"name": ""},
        RECORD | {"name": "\ud800"},
        RECORD | {"name": "\x1b[2Jw"},
        RECORD | {"name": "w\u202e"},
        RECORD | {"name": "w" * 256},
        RECORD | {"licence": "MIT\n"},
        RECORD | {"licence": ["MIT"]},
        RECORD | {"provenance": {"summary": "\x07"}},
        RECORD | {"provenance": {"summary": 5}},
        RECORD | {"quality": True},
        RECORD | {"quality": [80, 20]},
        RECORD | {"quality": [1, "2"]},
        RECORD | {"quality": [20, 40, 60]},
        RECORD | {"quality": []},
        RECORD | {"lmbda": -1},
        RECORD | {"lmbda": "small"},
        RECORD | {"rank": True},
        RECORD | {"rank": 1.0},
        RECORD | {"rank": 10**400},
        RECORD | {"scope": ["g_s"]},
        RECORD | {"scope": {"synthesis": "g_s"}},
        RECORD | {"scope": {"synthesis": [1]}},
        RECORD | {"scope": {"others": []}},
        RECORD | {"scope": {"shared": {"g_a": "g_s"}}},
        RECORD | {"scope": {"shared": [["g_a", "g_s", "h_a"]]}},
        RECORD | {"scope": {"shared": [["h_s", "g_s"]]}},
        RECORD | {"scope": {"shared": [["g_a", "h_a"]]}},
        RECORD | {"scope": {"shared": [["g_a", "g_s"]] * 9}},
        json.dumps(RECORD)[:-1] + ', "lmbda": NaN}',
        json.dumps(RECORD)[:-1] + ', "lmbda": 1e999}',
        json.dumps(RECORD)[:-1] + ', "name": "other"}',
        RECORD | {"quality": [1, 101]},
        RECORD | {"quality": [1]},
        RECORD | {"quality": "high"},
        RECORD | {"rank": "first"},
        RECORD | {"config": []},
        RECORD | {"provenance": "mine"},
    ],
)
def test_damaged_records_are_refused(tmp_path: Path, record: Any) -> None:
    with pytest.raises(BadWeights, match=r"w\.safetensors is no nic weights file"):
        weights.read_info(with_record(tmp_path / "w.safetensors", record))


@pytest.mark.parametrize(
    "data",
    [b"", b"1234567", b"\xff" * 64, struct.pack("<Q", 1 << 40) + b"{}", struct.pack("<Q", 2) + b"{}", b"\x80\x02}q\0."],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    with pytest.raises(BadWeights, match="is no nic weights file"):
        weights.read_info(path)


def test_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    save_file({"a": np.zeros(1)}, tmp_path / "bare")
    save_file({"a": np.zeros(1)}, tmp_path / "other", {"format": "pt"})
    for name in ("bare", "other"):
        with pytest.raises(BadWeights, match=f"{name} is no nic weights file"):
            weights.read_info(tmp_path / name)
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(WeightsNotFound, match="cannot read"):
            weights.read_info(path)


def test_the_store(tmp_path: Path, make_weights: Make, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIC_PLUGINS", "")
    assert weights.available() == []
    made = make_weights(tmp_path / "made", "zip", "../odd name", quality=10.0, rank=1)
    best = make_weights(tmp_path / "best", "zip", "best", quality=10.0, rank=2)
    added = weights.add(made)
    weights.add(best)
    weights.add(best)  # again
    assert Path(added.location).parent == store / "zip"
    assert Path(added.location).read_bytes() == made.read_bytes()
    assert [spec.name for spec in weights.available("zip")] == ["best", "../odd name"]
    assert weights.available("other") == []
    (store / "zip" / "junk.safetensors").write_bytes(b"junk")
    assert len(weights.available()) == 2
    weights.remove(added)
    assert [spec.name for spec in weights.available()] == ["best"]
    with pytest.raises(WeightsNotFound, match="it came with a package"):
        weights.remove(weights.spec_of(made))
    assert made.exists()
    with pytest.raises(CannotWrite, match="cannot remove"):
        weights.remove(added)


def test_a_store_that_cannot_be_written(tmp_path: Path, make_weights: Make, store: Path) -> None:
    made = make_weights(tmp_path / "made", "zip", "w")
    store.mkdir()
    (store / "zip").write_text("a file")
    with pytest.raises(CannotWrite, match="cannot make the folder"):
        weights.add(made)


def test_a_store_that_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NIC_WEIGHTS", "~/mine")
    assert weights.store_folder() == tmp_path / "mine"
    (tmp_path / "mine").write_text("a file")
    with pytest.raises(BadOption, match=r"NIC_WEIGHTS must be a folder, .*mine is a file"):
        weights.available()
    monkeypatch.setenv("NIC_WEIGHTS", "~nobody-of-that-name/weights")
    with pytest.raises(BadOption, match=r"NIC_WEIGHTS must be a folder, '~nobody.*' is none"):
        weights.available()


def test_names_that_no_file_can_have(fake: ModuleType) -> None:
    for name in ("w" * 300, "w\0", "\ud800"):
        with pytest.raises(WeightsNotFound, match="is neither a file nor known weights"):
            weights.resolve(name, "zip")


def test_where_weights_are_named(
    tmp_path: Path, make_weights: Make, fake: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_weights(tmp_path / "mine.safetensors", "zip-rate", "mine")
    assert weights.resolve(path, "zip-rate").name == "mine"
    assert weights.resolve(str(path), "zip-rate").location == str(path)
    assert weights.resolve("low", "zip-rate").quality == 20.0
    monkeypatch.chdir(tmp_path)
    (tmp_path / "low").mkdir()  # a folder that happens to have the name
    assert weights.resolve("low", "zip-rate").quality == 20.0
    with pytest.raises(WeightsNotFound, match=r"'middle' is neither a file nor known weights of zip-rate \(known: h.*"):
        weights.resolve("middle", "zip-rate")
    with pytest.raises(WeightsNotFound, match=r"\(known: none\)"):
        weights.resolve("any", "zip-bare")


def test_metadata_is_one_json_record() -> None:
    info = WeightsInfo("zip", "w", {"a": (1, 2)}, "0" * 8, "1" * 8)
    record = json.loads(info.to_metadata()["nic"])
    assert record["config"] == {"a": [1, 2]}
    assert record["scope"] == {"synthesis": ["g_s"], "analysis": ["g_a", "h_a"], "synthesis_config": []}
    with pytest.raises(ValueError, match="name has a value that it cannot have"):
        replace(info, name="\x1b").to_metadata()
    assert weights.plain("\x1b[2Jw\ud800" + 300 * "w") == "_[2Jw_" + 249 * "w"
