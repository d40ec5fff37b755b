"""Weights files: their record, their fingerprints, the store, and fetching."""

import hashlib
import http.server
import json
import os
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from nic_core import weights
from nic_core.errors import BadWeights, CannotWrite, WeightsNotFound
from nic_core.spec import WeightsSpec
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
    store.write_text("a file")
    with pytest.raises(CannotWrite, match="cannot make the folder"):
        weights.add(made)


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


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; one name is cut short."""

    def do_GET(self) -> None:
        if self.path == "/cut.safetensors":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(Path(self.directory, "w.safetensors").read_bytes())
        else:
            super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, make_weights: Make) -> Iterator[tuple[str, bytes]]:
    """Serve a weights file (w.safetensors) and a junk file; return the address and the weights' bytes."""
    path = make_weights(tmp_path / "served" / "w.safetensors", "zip", "w", quality=(1.0, 100.0))
    (path.parent / "junk.safetensors").write_bytes(b"junk")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Quiet(*args, directory=str(path.parent)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", path.read_bytes()
    server.shutdown()
    server.server_close()
    thread.join()


def files_in(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_weights_are_fetched_once(
    served: tuple[str, bytes], store: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    address, data = served
    spec = WeightsSpec("zip", "w", f"{address}/w.safetensors", sha256=hashlib.sha256(data).hexdigest())
    here = weights.local(spec)
    assert Path(here.location).read_bytes() == data
    assert files_in(store) == [Path(here.location)]
    monkeypatch.setattr("nic_core.weights.store.fetch", lambda *_: pytest.fail("fetched again"))
    assert weights.local(spec) == here
    assert weights.resolve(spec.location, "zip") == here
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "sha256", "error", "says"),
    [
        ("w.safetensors", "0" * 64, BadWeights, "does not have the expected SHA-256; nothing was kept"),
        ("junk.safetensors", "", BadWeights, "is no nic weights file"),
        ("absent.safetensors", "", WeightsNotFound, "cannot fetch .*404"),
        ("cut.safetensors", "", WeightsNotFound, "the connection ended after"),
    ],
)
def test_nothing_is_kept_of_a_failed_fetch(
    served: tuple[str, bytes], store: Path, name: str, sha256: str, error: type, says: str
) -> None:
    with pytest.raises(error, match=says):
        weights.local(WeightsSpec("zip", "w", f"{served[0]}/{name}", sha256=sha256))
    assert files_in(store) == []


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/w", "http://", "http://a:b/w", "hf://owner/repository"])
def test_addresses_that_lead_nowhere(store: Path, location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = SimpleNamespace(hf_hub_download=lambda *_: pytest.fail("asked"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    with pytest.raises(WeightsNotFound, match=f"cannot fetch {location}"):
        weights.resolve(location, "zip")


def test_hugging_face(tmp_path: Path, make_weights: Make, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_weights(tmp_path / "cached", "zip", "w")
    asked = []
    hub = SimpleNamespace(hf_hub_download=lambda *names: asked.append(names) or os.fspath(path))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    spec = weights.local(WeightsSpec("zip", "w", "hf://owner/repository/folder/w.safetensors"))
    assert asked == [("owner/repository", "folder/w.safetensors")]
    assert Path(spec.location).read_bytes() == path.read_bytes()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsNotFound, match=r"pip install 'nic-core\[hub\]'"):
        weights.local(WeightsSpec("zip", "w", "hf://owner/repository/other"))


def test_metadata_is_one_json_record() -> None:
    info = WeightsInfo("zip", "w", {"a": (1, 2)}, "0" * 8, "1" * 8)
    assert json.loads(info.to_metadata()["nic"])["config"] == {"a": [1, 2]}
