"""The notebooks of docs/: kept without outputs, opened by one line of pip, and run from top to bottom."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import release

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
PIP = re.compile(r"%pip install -q (\S.*)")
OTHERS = {"scikit-image"}
"""What notebooks ask pip for beside our own distributions: pictures."""
SHELL = re.compile(r"^!((?:.*\\\n)*.*)$", re.MULTILINE)
START = """import subprocess


def shell(line):
    subprocess.run(line, shell=True, check=True)
"""


def cells(notebook: Path, kind: str) -> list[dict]:
    """Return a notebook's cells of a kind."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def text_of(cell: dict) -> str:
    return "".join(cell["source"])


def program(notebook: Path) -> str:
    """Return a notebook as a program: all but the line of pip, and lines for a shell as Jupyter takes them."""
    code = [text_of(cell) for cell in cells(notebook, "code")[1:]]
    return "\n\n".join([START, *(SHELL.sub(lambda line: f"shell({line[1]!r})", text) for text in code)])


def test_there_are_some() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"start", "egic", "orp", "textsketch"}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_opens_with_one_line_of_pip_and_holds_no_outputs(notebook: Path) -> None:
    first, *others = cells(notebook, "code")
    asked = PIP.fullmatch(text_of(first))
    assert asked
    names = {re.split(r"[\[=<>]", name.strip("'"))[0] for name in asked[1].split()}
    ours = {release.metadata(member)["name"] for member in release.members()}
    assert "nic-core" in names and names <= ours | OTHERS
    assert not any("pip install" in text_of(cell) for cell in others)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in (first, *others))
    assert text_of(cells(notebook, "markdown")[0]).startswith("# ")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_links_lead_somewhere(notebook: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", "".join(map(text_of, cells(notebook, "markdown"))))
    assert links
    for link in links:
        assert link.startswith("https://") or (notebook.parent / link).is_file(), link


@pytest.mark.parametrize(
    "notebook",
    [pytest.param(path, marks=[] if path.stem == "start" else pytest.mark.long) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_it_runs(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "NIC_WEIGHTS", "NIC_MODELS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    (tmp_path / "work").mkdir()
    (tmp_path / "notebook.py").write_text(program(notebook), encoding="utf-8")
    command = [sys.executable, str(tmp_path / "notebook.py")]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / "work")
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert ran.stdout
