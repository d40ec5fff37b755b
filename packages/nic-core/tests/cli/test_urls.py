"""Files and folders at URLs, in and out."""

import json
import secrets
from pathlib import Path

import fsspec
import pytest
from nic_core.cli import run
from nic_core.files import places


@pytest.fixture
def at(work: Path) -> str:
    """Return a folder in memory with what the current folder holds."""
    url = f"memory://{secrets.token_hex(6)}"
    system = fsspec.filesystem("memory")
    for path in work.rglob("*"):
        if path.is_file():
            system.pipe_file(f"{url}/in/{path.relative_to(work).as_posix()}", path.read_bytes())
    return url


def names(url: str) -> list[str]:
    """Return the names of all files below a URL."""
    found = fsspec.filesystem("memory").find(url)
    return sorted(name.split("/", 2)[2] for name in found)


def test_a_folder_goes_to_a_folder_and_back(at: str, work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["encode", f"{at}/in", "-o", f"{at}/out", "-q", "100", "-j", "2"]) == 0
    assert names(f"{at}/out") == ["out/a.nic", "out/b.nic", "out/sub/c.nic", "out/sub/deep/d.nic"]
    capsys.readouterr()
    assert run(["encode", f"{at}/in", "-o", f"{at}/out"]) == 1
    assert "4 of 4 outputs are there already" in capsys.readouterr().err
    assert run(["encode", f"{at}/in", "-o", f"{at}/out", "--skip-existing"]) == 0
    assert capsys.readouterr().out == "nothing to do: 4 outputs are there already\n"
    assert run(["info", "--json", f"{at}/out"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [fact["file"] for fact in facts] == [f"{at}/{name}" for name in names(f"{at}/out")]
    assert run(["decode", f"{at}/out", "-o", "back"]) == 0
    assert (work / "back/a.png").read_bytes()
    assert run(["decode", f"{at}/out", "-o", f"{at}/back/"]) == 0
    assert places.read_bytes(f"{at}/back/sub/deep/d.png") == (work / "back/sub/deep/d.png").read_bytes()


def test_one_file_goes_beside_it_or_where_it_is_sent(at: str, work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["encode", f"{at}/in/a.png"]) == 0
    assert run(["encode", "a.png", "-o", f"{at}/x.nic", "--text", "a"]) == 0
    assert run(["decode", f"{at}/x.nic", "-o", f"file://{work}/x.png", "--dump", f"{at}/parts"]) == 0
    assert (work / "x.png").exists()
    assert {"in/a.nic", "parts/x.text.txt", "x.nic"} <= {*names(at)}
    capsys.readouterr()
    assert run(["encode", f"{at}/in/a.png", "-o", f"{at}/in/a.png"]) == 2


def test_what_fails_is_named_and_leaves_nothing(at: str, capsys: pytest.CaptureFixture) -> None:
    fsspec.filesystem("memory").pipe_file(f"{at}/in/bad.png", b"\x89PNG\r\n\x1a\nnothing")
    assert run(["encode", f"{at}/in", "-o", f"{at}/out"]) == 1
    assert f"nic: {at}/in/bad.png: " in capsys.readouterr().err
    assert len(names(f"{at}/out")) == 4
    assert run(["encode", f"{at}/none.png"]) == 1
    assert capsys.readouterr().err == f"nic: {at}/none.png: no such file\n"
    assert run(["info", f"{at}/none"]) == 1
    assert capsys.readouterr().err.startswith(f"nic: cannot read {at}/none: ")
