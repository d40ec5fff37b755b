"""Fetching weights: by https unless told otherwise, whole, bounded, and without telling secrets."""

import hashlib
import http.server
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import fsspec
import nic_core as nic
import numpy as np
import pytest
from nic_core import progress, weights
from nic_core.cli import run
from nic_core.errors import BadWeights, WeightsNotFound
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_core.progress import Listener
from nic_core.spec import WeightsSpec

Make = Callable[..., Path]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder. /cut is cut short, /endless says no length, /to?ADDRESS leads elsewhere."""

    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        name, _, rest = self.path.partition("?")
        self.asked.append((self.path, self.headers["Authorization"]))
        if name == "/to":
            self.send_response(302)
            self.send_header("Location", rest)
            self.end_headers()
        elif name in ("/cut", "/endless"):
            self.send_response(200)
            if name == "/cut":
                self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(Path(self.directory, "w.safetensors").read_bytes())
        else:
            super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, make_weights: Make, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, bytes]]:
    """Serve a weights file (w.safetensors) and a junk file; return the address and the weights' bytes."""
    monkeypatch.setenv("NIC_ALLOW_HTTP", "1")
    Quiet.asked.clear()
    path = make_weights(tmp_path / "served" / "w.safetensors", "zip", "w", quality=(1.0, 100.0))
    (path.parent / "junk.safetensors").write_bytes(b"junk")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Quiet(*args, directory=str(path.parent)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
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
    source = Path(here.location).with_suffix(".source.json")
    assert sorted(files_in(store)) == sorted([Path(here.location), source])
    assert json.loads(source.read_text()) == {"location": spec.location, "sha256": spec.sha256}
    assert here.sha256 == next(weights.stored()).sha256 == spec.sha256
    monkeypatch.setattr("nic_core.weights.store.fetch", lambda *_: pytest.fail("fetched again"))
    assert weights.local(spec) == here
    assert capfd.readouterr() == ("", "")
    weights.remove(here)
    assert files_in(store) == []


@pytest.mark.parametrize(
    ("name", "sha256", "error", "says"),
    [
        ("w.safetensors", "0" * 64, BadWeights, "does not have the expected SHA-256; nothing was kept"),
        ("junk.safetensors", "", BadWeights, "is no nic weights file"),
        ("absent.safetensors", "", WeightsNotFound, "cannot fetch .*404"),
        ("cut", "", WeightsNotFound, "the connection ended after"),
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
    monkeypatch.setenv("NIC_ALLOW_HTTP", "1")
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


def test_the_digest_is_shown(served: tuple[str, bytes], store: Path) -> None:
    heard: list[str] = []
    with progress.listening(Listener(lambda *_: None, heard.append)):
        weights.resolve(f"{served[0]}/w.safetensors", "zip")
    assert heard == [f"fetched {served[0]}/w.safetensors, SHA-256 {hashlib.sha256(served[1]).hexdigest()}"]


def test_weights_come_by_https(served: tuple[str, bytes], store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIC_ALLOW_HTTP")
    with pytest.raises(WeightsNotFound, match="weights come by https, not by http; NIC_ALLOW_HTTP=1 allows http"):
        weights.resolve(f"{served[0]}/w.safetensors", "zip")
    assert Quiet.asked == []


def test_redirects_lead_to_what_could_have_been_asked(served: tuple[str, bytes], store: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    for target in (f"file://{tmp_path}/secret", "ftp://127.0.0.1/w", "data:,w"):
        with pytest.raises(WeightsNotFound, match=r"not by ftp|is not allowed"):
            weights.resolve(f"{served[0]}/to?{target}", "zip")
    assert files_in(store) == []
    assert weights.resolve(f"{served[0]}/to?/w.safetensors", "zip").name == "w"


@pytest.mark.parametrize(
    ("name", "says"),
    [("w.safetensors", "it has [0-9]+ bytes, more than 100"), ("endless", "it has more than 100 bytes")],
)
def test_what_is_too_large(
    served: tuple[str, bytes], store: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.setattr("nic_core.weights.fetch.LARGEST", 100)
    with pytest.raises(WeightsNotFound, match=says):
        weights.resolve(f"{served[0]}/{name}", "zip")
    assert files_in(store) == []


def test_secrets_in_an_address_stay_there(served: tuple[str, bytes], store: Path) -> None:
    address = served[0].replace("//", "//me:pass%20word@")
    header = "Basic bWU6cGFzcyB3b3Jk"  # of "me:pass word"
    for name in ("absent?token=abc", "junk.safetensors?token=abc", "to?file:///a"):
        with pytest.raises((WeightsNotFound, BadWeights)) as caught:
            weights.resolve(f"{address}/{name}", "zip")
        assert not any(secret in str(caught.value) for secret in ("me:", "word", "token", "abc"))
        assert served[0] in str(caught.value)
        assert Quiet.asked.pop() == (f"/{name}", header)
    fetched = weights.resolve(f"{address}/to?{served[0]}/w.safetensors", "zip")
    assert Quiet.asked[-1] == ("/w.safetensors", None)
    kept = Path(fetched.location).with_suffix(".source.json").read_text()
    assert json.loads(kept)["location"] == f"{served[0]}/to"


@pytest.fixture
def memory(tmp_path: Path, make_weights: Make) -> str:
    """Put a weights file at a URL that no other test has; return the URL."""
    path = make_weights(tmp_path / "made" / "w.safetensors", "zip", "far", quality=(1.0, 100.0))
    url = f"memory://{secrets.token_hex(6)}/w.safetensors"
    with fsspec.open(url, "wb") as file:
        file.write(path.read_bytes())
    return url


def test_weights_at_a_url_of_fsspec_are_fetched_once(
    memory: str, store: Path, fake: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.zeros((6, 9, 3), np.uint8)
    data = nic.load("zip", weights=memory).encode(picture, 50)
    kept = next(iter(weights.stored()))
    assert json.loads(Path(kept.location).with_suffix(".source.json").read_text())["location"] == memory
    assert (kept.name, len(kept.sha256), len(files_in(store))) == ("far", 64, 2)
    fsspec.filesystem("memory").rm(memory)
    assert nic.load("zip", weights=memory).encode(picture, 50) == data
    codec, chosen, options = nic.api.parse_codec(f"zip@{memory}:level=9")
    assert (codec, chosen, options) == ("zip", memory, {"level": "9"})


def test_a_url_of_fsspec_on_the_command_line(
    memory: str, fake: object, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    source, target = str(tmp_path / "a.png"), str(tmp_path / "x.nic")
    image_files.write(Picture(np.zeros((6, 9, 3), np.uint8)), source)
    assert run(["weights", "add", memory]) == 0
    out = capsys.readouterr().out
    assert out.startswith("added zip far (") and f"fetched from {memory}, SHA-256 " in out
    kept = next(iter(weights.stored()))
    assert (kept.name, json.loads(Path(kept.location).with_suffix(".source.json").read_text())["location"]) == (
        "far",
        memory,
    )
    assert run(["weights", "remove", "zip", "far"]) == 0 and files_in(store) == []
    assert run(["encode", source, "-o", target, "--codec", f"zip@{memory}:level=1"]) == 0
    assert run(["weights", "add", memory.replace("w.safe", "other.safe")]) == 1
    assert f"nic: cannot fetch {memory.replace('w.safe', 'other.safe')}: " in capsys.readouterr().err


def test_what_fsspec_does_not_bring(store: Path, memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsNotFound, match="more than 10"):
        monkeypatch.setattr("nic_core.weights.fetch.LARGEST", 10)
        weights.resolve(memory, "zip")
    for url in ("simplecache::http://127.0.0.1:1/w", "ftp://127.0.0.1:1/w"):
        with pytest.raises(WeightsNotFound, match="weights come by https, not by"):
            weights.resolve(url, "zip")
    with pytest.raises(WeightsNotFound) as caught:
        weights.resolve("nowhere9://me:secret@host/w.safetensors?token=abc", "zip")
    assert "nowhere9://host/w.safetensors" in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("me:", "secret", "abc"))
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(WeightsNotFound, match=r"pip install 'nic-core\[fsspec\]'"):
        weights.resolve(memory, "zip")
    assert files_in(store) == []


def test_a_file_url_is_a_path(make_weights: Make, tmp_path: Path, store: Path) -> None:
    path = make_weights(tmp_path / "made" / "w.safetensors", "zip", "w")
    assert weights.resolve(path.as_uri(), "zip").location == str(path)
    assert weights.add(path.as_uri()).name == "w"


def test_paths_of_weights_import_no_fsspec(make_weights: Make, tmp_path: Path) -> None:
    path = make_weights(tmp_path / "w.safetensors", "zip", "w")
    code = f"import sys; from nic_core import weights; weights.resolve({str(path)!r}, 'zip'); "
    subprocess.run([sys.executable, "-c", f"{code} assert 'fsspec' not in sys.modules"], check=True)
