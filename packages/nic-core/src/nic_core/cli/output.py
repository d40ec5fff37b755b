"""What verbs say: lines that are harmless to a terminal, tables, and JSON."""

import errno
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from nic_core.cli.settings import settings
from nic_core.errors import CannotWrite, NicError
from nic_core.files.atomic import atomic_write
from nic_core.printable import printable

as_json = click.option("--json", "as_json", is_flag=True, help="For programs: JSON instead of text.")


def message(error: BaseException) -> str:
    """Return what an error says to a user, in one printable line."""
    text = printable(" ".join(str(error).split()))
    if isinstance(error, NicError):
        return text
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EIO) and not error.filename:
        return f"cannot write standard output: {error.strerror}"
    return f"unexpected {type(error).__name__}: {text} (--debug shows where)"


def show(text: str, err: bool = False) -> None:
    """Print one line, whatever it holds."""
    click.echo(printable(text), err=err)


def say(text: str, err: bool = False) -> None:
    """Print one line, but not where the user wants quiet."""
    if not settings().quiet:
        show(text, err)


def show_json(value: Any) -> None:
    """Print a value as JSON, in ASCII."""
    click.echo(json.dumps(value, indent=1))


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as wide as the terminal; where it goes elsewhere, each row is one line, however long."""
    from rich.console import Console  # slow to import, and `nic info` needs no table
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    cells = [[printable(cell) for cell in row] for row in rows]
    for row in cells:
        table.add_row(*row)
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 2 * len(headings) + sum(len(cell) * 2 for row in [headings, *cells] for cell in row)
    console.print(table)


def refuse_terminals(reads: bool, writes: bool) -> None:
    """Raise UsageError where standard input shall bring a file, or output get one, and is a terminal instead."""
    if writes and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal, the result is binary: give a file with -o, or a pipe")
    if reads and sys.stdin.isatty():
        raise click.UsageError("standard input is a terminal: give a file, or a pipe")


def read(source: Path) -> bytes:
    """Return what a file holds, or what standard input brings for "-"; NicError where it cannot be read."""
    if str(source) == "-":
        return sys.stdin.buffer.read()
    try:
        return source.read_bytes()
    except OSError as error:
        raise NicError(f"cannot read {source}: {error.strerror}") from error


def write(target: Path, data: bytes, replace: bool) -> None:
    """Write a file, all or nothing, or standard output for "-"; CannotWrite where that does not work.

    replace: whether a file of that name may be replaced.
    """
    if str(target) != "-":
        atomic_write(target, data, replace)
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CannotWrite(f"cannot write standard output: {error.strerror}") from error
