"""What docs/parity.md says of the authors' repositories is held by tests that exist, and its flags by commands."""

import re
from pathlib import Path

import pytest
from click import Command, Context, Group
from nic_core import plugins
from nic_core.cli import cli

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (?P<theirs>.+) \| (?P<here>.+) \| `(?P<owner>[\w-]+) (?P<file>[\w/]+)::(?P<test>\w+)` \|$")
OURS = re.compile(r"`([^`]+)`")


def rows() -> list[re.Match[str]]:
    """Return the rows of the page's tables."""
    lines = (ROOT / "docs" / "parity.md").read_text().splitlines()
    tables = [line for line in lines if line.startswith("|") and not line.startswith(("| theirs |", "|---"))]
    found = [ROW.match(line) for line in tables]
    assert all(found), [line for line, match in zip(tables, found, strict=True) if not match]
    return [match for match in found if match]


def flags(command: Command, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], set[str]]:
    """Return the flags of a command and of those below it, by the words that call them."""
    context = Context(command)
    names = {name for item in command.get_params(context) for name in (*item.opts, *item.secondary_opts)}
    found = {path: names}
    if isinstance(command, Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found |= flags(below, (*path, name))
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["theirs"][:40])
def test_every_row_names_a_test(row):
    (folder,) = [ROOT] if row["owner"] == "nic" else ROOT.glob(f"*/{row['owner']}")
    source = (folder / "tests" / f"{row['file']}.py").read_text()
    assert re.search(rf"^ *(async )?def {row['test']}\(", source, re.MULTILINE)


def test_every_flag_is_one_of_a_command():
    known = flags(cli)
    options = {f"--{option.name}" for spec in plugins.list_codecs() for option in spec.options}
    options |= {f"--{option.table}" for spec in plugins.list_codecs() for option in spec.options if option.table}
    wrong = []
    for row in rows():
        for text in OURS.findall(row["here"]):
            words = text.split()
            named = [word.partition("=")[0] for word in words if word.startswith("--")]
            if words[0] == "nic":
                path = tuple(words[1 : 1 + next(n for n in (2, 1) if tuple(words[1 : 1 + n]) in known)])
                named = [name for name in named if name not in known[path] | options]
            else:
                named = [name for name in named if name not in options.union(*known.values())]
            wrong += [f"{text}: {name}" for name in named]
    assert not wrong
