"""What the README and the pages of docs/ tell to type: run where it is a start, and known to `nic` everywhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import release
from nic_core.cli import cli
from nic_core.cli.flags import CodingCommand
from PIL import Image
from skimage import data

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
STARTS = [ROOT / "README.md", ROOT / "docs" / "start.md"]
"""Their blocks marked bash and python are run; those without a mark would take days, or install what is installed."""
PAGES = sorted([*STARTS, *ROOT.glob("docs/*.md"), *ROOT.glob("*/*/README.md")])
PIP = """#!{python}
import re, sys
asked = [re.split(r"[\\[=<>]", name)[0] for name in sys.argv[2:] if not name.startswith("-")]
sys.exit(sorted(set(asked) - set({names!r})) or 0)
"""


def blocks(page, *languages):
    return [text for language, text in BLOCK.findall(page.read_text(encoding="utf-8")) if language in languages]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with the pictures that pages name, and a `pip` that says whether we have what is asked for."""
    names = [release.metadata(member)["name"] for member in release.members()]
    program = tmp_path / "bin" / "pip"
    program.parent.mkdir()
    program.write_text(PIP.format(python=sys.executable, names=names))
    program.chmod(0o755)
    place = tmp_path / "work"
    (place / "holiday").mkdir(parents=True)
    photo = Image.fromarray(data.coffee())
    photo.save(place / "photo.jpg", quality=95)
    for name in ("holiday/one.jpg", "holiday/two.png", "more.png"):
        photo.resize((90, 60)).save(place / name)
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "NIC_WEIGHTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(
        "PATH", os.pathsep.join(map(str, (program.parent, Path(sys.executable).parent, "/usr/bin", "/bin")))
    )
    return place


@pytest.mark.long
@pytest.mark.parametrize("page", STARTS, ids=lambda page: page.name)
def test_what_starts_tell_to_type_runs(page, folder):
    done = 0
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language in ("bash", "python"):
            command = ["bash", "-euo", "pipefail", "-c"] if language == "bash" else [sys.executable, "-c"]
            ran = subprocess.run([*command, text], capture_output=True, text=True, cwd=folder)
            assert ran.returncode == 0, f"{text}\n{ran.stdout}\n{ran.stderr}"
            done += 1
    assert done >= 2
    assert (folder / "photo.nic").stat().st_size < (folder / "photo.jpg").stat().st_size


def test_every_command_of_the_start_is_run():
    """Only what would take days, or sets up the repository, may go without being run."""
    shown = "".join(text for page in STARTS for text in blocks(page, ""))
    verbs = set(re.findall(r"^nic (\w+)", shown, re.MULTILINE))
    assert verbs <= {"train", "eval"}


def commands(page):
    """Yield the command lines of nic in a page's blocks, comments and continuations resolved."""
    for text in blocks(page, "", "bash", "sh", "console"):
        for line in text.replace("\\\n", " ").splitlines():
            if not re.match(r"\s*(sudo )?nic [a-z-]", line):
                continue
            for part in re.split(r"\s(?:\||&&|;|>|<)\s?", line):
                words = shlex.split(part, comments=True)
                if words[:1] == ["sudo"]:
                    words = words[1:]
                if words[:1] == ["nic"]:
                    yield words[1:]


def resolved(words):
    """Return the command that words name, with the words that are left for it."""
    context, command = click.Context(cli, info_name="nic"), cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            assert command is not cli, f"there is no nic {words[0]}"
            break
        context, command, words = click.Context(found, context, words[0]), found, words[1:]
    return context, command, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_verbs_and_flags_that_pages_name_exist(page):
    for words in commands(page):
        context, command, rest = resolved(words)
        known = {name for param in command.get_params(context) for name in (*param.opts, *param.secondary_opts)}
        flags = {word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)}
        if isinstance(command, CodingCommand):
            known |= {flag for flag in flags if re.fullmatch(r"-[jqo]\d+", flag)}
        assert flags <= known, f"nic {shlex.join(words)}: {sorted(flags - known)}"


def test_the_test_sees_commands():
    assert sum(len(list(commands(page))) for page in PAGES) > 100
