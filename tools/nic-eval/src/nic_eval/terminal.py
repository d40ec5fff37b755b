"""What long work shows on a terminal; nothing where there is none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.status import Status
from rich.text import Text


@contextmanager
def progress(console: Console, verb: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar; yields a function to call with the name of each thing done."""
    text = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(verb, total=total)
        yield lambda name: bar.update(task, advance=1, description=f"{verb} {name}")


def status(console: Console, text: str) -> Status:
    """Show what is being done; brackets in a name are no markup."""
    return console.status(Text(text))
