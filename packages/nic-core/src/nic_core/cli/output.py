"""What verbs say: lines that are harmless to a terminal, tables, and JSON."""

import errno
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import PurePath
from typing import Any

import click

from nic_core.cli.settings import settings
from nic_core.errors import CannotWrite, NicError
from nic_core.files import places
from nic_core.files.atomic import atomic_write
from nic_core.printable import line_of, printable

NARROWEST = 8
"""Characters of a table's column that is folded."""

as_json = click.option("--json", "as_json", is_flag=True, help="For programs: JSON instead of text.")


def message(error: BaseException) -> str:
    """Return what an error says to a user, in one printable line."""
    text = printable(line_of(error))
    if isinstance(error, NicError):
        return text
    if is_of_output(error):
        return f"cannot write standard output: {getattr(error, 'strerror', None)}"
    return f"unexpected {type(error).__name__}: {text} (--debug shows where)"


def is_of_output(error: BaseException) -> bool:
    """Return whether an error arose in writing to standard output, which any verb does."""
    return isinstance(error, OSError) and (
        isinstance(error, BrokenPipeError)
        or (error.errno in (errno.ENOSPC, errno.EFBIG, errno.EIO) and not error.filename)
    )


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
    """Print a table as wide as the terminal; where it goes elsewhere, each row is one line, however long.

    Not by rich, which takes longer to import than all else that lists things.
    """
    cells = [[printable(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if sys.stdout.isatty():
        room = shutil.get_terminal_size().columns - 2 * (len(widths) - 1)
        while sum(widths) > room and max(widths) > NARROWEST:
            widths[widths.index(max(widths))] -= 1
    for row in cells:
        folded = [textwrap.wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
        for line in zip_longest(*folded, fillvalue=""):
            click.echo("  ".join(f"{part:<{width}}" for part, width in zip(line, widths, strict=True)).rstrip())


def refuse_terminals(reads: bool, writes: bool) -> None:
    """Raise UsageError where standard input shall bring a file, or output get one, and is a terminal instead."""
    if writes and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal, the result is binary: give a file with -o, or a pipe")
    if reads and sys.stdin.isatty():
        raise click.UsageError("standard input is a terminal: give a file, or a pipe")


def read(source: PurePath) -> bytes:
    """Return what a file holds, or what standard input brings for "-"; NicError where it cannot be read."""
    if str(source) == "-":
        return sys.stdin.buffer.read()
    try:
        return places.read_bytes(source)
    except OSError as error:
        raise NicError(f"cannot read {source}: {error.strerror or error}") from error


def write(target: PurePath, data: bytes, replace: bool) -> None:
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
