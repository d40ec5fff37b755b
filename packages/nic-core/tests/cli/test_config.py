"""`nic config`: what a user sets stays set, and nothing else is lost."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import nic_core as nic
import pytest
from nic_core import user_config
from nic_core.cli import run
from nic_core.errors import NicError


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of settings, of this test only; its folder is not there."""
    path = tmp_path / "settings" / "config.json"
    monkeypatch.setenv("NIC_CONFIG", str(path))
    return path


def said(capsys: pytest.CaptureFixture, *arguments: str, code: int = 0) -> str:
    """Return what a command line says."""
    capsys.readouterr()
    assert run(list(arguments)) == code
    out, err = capsys.readouterr()
    return out + err


def test_set_show_and_unset(fake: ModuleType, file: Path, capsys: pytest.CaptureFixture, work: Path) -> None:
    assert said(capsys, "config") == f"file     {file} (not there: nothing is set)\ndefault  not set\n"
    assert said(capsys, "config", "default") == "zip, by the highest rank of weights\n"
    assert said(capsys, "config", "default", "zip-rate") == "the default codec is zip-rate from now on\n"
    assert json.loads(file.read_text()) == {"default": "zip-rate"}
    assert said(capsys, "config") == f"file     {file}\ndefault  zip-rate\n"
    assert json.loads(said(capsys, "config", "--json")) == {"file": str(file), "default": "zip-rate"}
    assert said(capsys, "config", "default") == "zip-rate, by nic config default\n"
    assert "zip-rate (default)" in said(capsys, "codecs")
    assert run(["encode", "a.png"]) == 0
    assert nic.inspect("a.nic").codec == "zip-rate"
    says = "no default codec is set: zip, by the highest rank of weights\n"
    assert said(capsys, "config", "default", "--unset") == says
    assert json.loads(file.read_text()) == {}
    assert [path.name for path in file.parent.iterdir()] == ["config.json"]


def test_the_variable_wins(fake: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("NIC_CODEC", "zip")
    assert "while NIC_CODEC=zip is set, that wins" in said(capsys, "config", "default", "zip-rate")
    assert said(capsys, "config", "default") == "zip, by NIC_CODEC\n"


def test_a_codec_that_is_not_there(fake: ModuleType, file: Path, capsys: pytest.CaptureFixture) -> None:
    says = "nic: no installed package brings the codec 'zop'; did you mean zip? Installed: zip, zip-bare, zip-rate\n"
    assert said(capsys, "config", "default", "zop", code=1) == says
    assert not file.exists()
    assert "it has no weights yet" in said(capsys, "config", "default", "zip-bare")
    assert "give a codec, or --unset" in said(capsys, "config", "default", "zip", "--unset", code=2)


def test_other_settings_stay(fake: ModuleType, file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"of a later nic": [1]}')
    user_config.put("default", "zip")
    assert json.loads(file.read_text()) == {"of a later nic": [1], "default": "zip"}
    user_config.put("default", None)
    assert json.loads(file.read_text()) == {"of a later nic": [1]}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"default": 5}'])
def test_a_damaged_file_is_named_where_it_matters(
    fake: ModuleType, file: Path, work: Path, capsys: pytest.CaptureFixture, content: str
) -> None:
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(NicError, match=str(file)):
        nic.load()
    assert said(capsys, "encode", "a.png", code=1).startswith(f"nic: {file} ")
    assert "zip" in said(capsys, "codecs")
    assert run(["encode", "a.png", "--codec", "zip"]) == 0
    assert file.read_text() == content


def test_added_weights_do_not_claim_to_be_the_default_where_one_is_set(
    fake: ModuleType, make_weights: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    best = str(make_weights(tmp_path / "w", "zip-rate", "best", quality=50.0, rank=9))
    assert "from now on they are what 'nic encode' takes by default" in said(capsys, "weights", "add", best)
    run(["config", "default", "zip"])
    assert "by default" not in said(capsys, "weights", "add", best)


def test_the_help_teaches(capsys: pytest.CaptureFixture) -> None:
    assert "nic config default mini" in said(capsys, "config", "--help")
    assert "NIC_CODEC" in said(capsys, "config", "default", "--help")
    assert "Set the default codec" in said(capsys, "--help")


def test_the_place_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NIC_CONFIG")
    monkeypatch.setattr(user_config, "user_config_path", lambda name: tmp_path / name)
    assert user_config.config_file() == tmp_path / "nic" / "config.json"
