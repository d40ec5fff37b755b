"""`nic --version` and `nic doctor`: what is installed, and what of it is broken."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import nic_core as nic
import pytest
from nic_core.cli import run
from nic_core.cli.system import probes, versions


@pytest.fixture(autouse=True)
def no_runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start none of those that are installed here: that takes seconds."""
    monkeypatch.setattr(probes, "SCRIPTS", {})


def findings(capsys: pytest.CaptureFixture, code: int) -> dict[tuple[str, str], dict[str, Any]]:
    """Run the doctor, check its exit code and return what it found."""
    assert run(["doctor", "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    assert report["broken"] == sum(finding["state"] == "broken" for finding in report["findings"])
    return {(finding["topic"], finding["name"]): finding for finding in report["findings"]}


def test_versions_name_every_part(fake: ModuleType, capsys: pytest.CaptureFixture) -> None:
    assert run(["--version"]) == 0
    first, _, *lines = capsys.readouterr().out.splitlines()
    assert first == f"nic {nic.__version__}"
    parts = dict(line.rsplit(" ", 1) for line in lines[:-1])
    assert parts["nic-fake"] == "1.2"
    assert parts["nic-core"] == nic.__version__
    assert "numpy" in parts
    assert lines[-1] == versions.python()


def test_a_sound_installation(fake: ModuleType, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIC_MAX_SECONDS", "90")
    found = findings(capsys, 0)
    assert found["distributions", "nic-fake"]["text"] == "1.2"
    assert found["plugins", "fake"]["state"] == "ok"
    assert found["trial", "zip"]["facts"]["bytes"] > 0
    assert found["weights", "any"]["facts"]["codec"] == "zip"
    assert found["environment", "NIC_MAX_SECONDS"]["text"] == "90"
    missing = found["weights", "zip-bare"]
    assert (missing["state"], missing["remedy"]) == (
        "missing",
        "nic weights import zip-bare CHECKPOINT, or nic weights add FILE",
    )
    assert found["folders", "weights store"]["facts"]["bytes"] == 0


def test_text_names_what_is_broken(
    fake: ModuleType, install: Callable[..., Path], capsys: pytest.CaptureFixture
) -> None:
    install("nic-odd", {"odd_plugin.py": "import nowhere_at_all"}, "odd = odd_plugin")
    assert run(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "! odd                      ModuleNotFoundError: No module named 'nowhere_at_all'" in out
    assert "pip install --upgrade nic-odd, or NIC_DISABLE_PLUGINS=odd" in out
    assert out.endswith("\n1 broken: odd\n")
    assert "\\n" not in out


def test_weights_that_were_altered_and_a_codec_that_fails(
    fake: ModuleType, store: Path, make_weights: Callable[..., Path], capsys: pytest.CaptureFixture
) -> None:
    path = make_weights(store / "zip" / "mine.safetensors", "zip", "mine", quality=(1.0, 100.0), rank=9)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    found = findings(capsys, 1)
    assert "was altered" in found["weights", "mine.safetensors"]["text"]

    path.unlink()
    fake.ZipCodec.compress = lambda *_: 1 / 0
    found = findings(capsys, 1)
    assert "ZeroDivisionError" in found["trial", "zip"]["text"]


def test_plugins_that_bring_the_same(
    fake: ModuleType, install: Callable[..., Path], capsys: pytest.CaptureFixture
) -> None:
    source = (
        "from nic_core.hooks import hookimpl\nfrom nic_core.spec import CommandSpec\napi_version = '1.0'\n"
        "@hookimpl\ndef nic_commands():\n    yield CommandSpec('doctor', 'nowhere:doctor', 'Another.')\n"
    )
    install("nic-odd", {"odd_plugin.py": source}, "odd = odd_plugin")
    found = findings(capsys, 1)
    assert found["plugins", "conflict"]["facts"]["plugins"] == ["odd"]


def test_a_default_that_is_not_there(
    fake: ModuleType, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIC_CODEC", "zop")
    found = findings(capsys, 1)
    assert "the default by NIC_CODEC" in found["trial", "default codec"]["text"]


def test_versions_that_do_not_belong_together(
    fake: ModuleType, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "distributions", lambda: {"nic-core": "0.2.0", "nic-latent": "0.1.0", "nic-x": "7"})
    found = findings(capsys, 1)
    assert found["distributions", "nic-latent"]["remedy"] == "pip install nic-latent==0.2.0"
    assert found["distributions", "nic-x"]["state"] == "ok"
    assert found["distributions", "nic-mini"]["remedy"] == "pip install nic-mini"


@pytest.mark.parametrize(
    ("script", "state", "says"),
    [
        ("import json; print('noise'); print(json.dumps(['9.1', ['cpu', 'cuda:0']]))", "ok", "9.1, cpu, cuda:0"),
        ("raise OSError('libcuda.so is missing')", "broken", "does not start: OSError: libcuda.so is missing"),
        ("import os; os.abort()", "broken", "does not start: it ended with code -6"),
    ],
)
def test_runtimes(
    fake: ModuleType,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    state: str,
    says: str,
) -> None:
    monkeypatch.setattr(probes, "SCRIPTS", {"json": script, "not_there_at_all": ""})
    monkeypatch.setattr(probes, "REMEDIES", {"not_there_at_all": "pip install it"})
    found = findings(capsys, 1 if state == "broken" else 0)
    assert (found["runtimes", "json"]["state"], found["runtimes", "json"]["text"]) == (state, says)
    assert found["runtimes", "not_there_at_all"]["remedy"] == "pip install it"
