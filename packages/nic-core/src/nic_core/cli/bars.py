"""Progress bars on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from nic_core import progress
from nic_core.cli.output import say
from nic_core.cli.settings import settings
from nic_core.printable import printable


def bars() -> Progress:
    """Return bars on standard error, which leave nothing behind, and show nothing off a terminal or with --quiet."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    hidden = settings().quiet or not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=hidden, redirect_stdout=False)


@dataclass
class Row:
    """One line of bars, and below it one for each long piece of work that a codec reports."""

    bars: Progress
    title: str
    tasks: dict[str, TaskID] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Show the line."""
        self.task = self.bars.add_task(printable(self.title), total=None)

    def rename(self, title: str) -> None:
        """Show another text."""
        self.bars.update(self.task, description=printable(title), refresh=True)

    def step(self, what: str, done: int, total: int) -> None:
        """Show how far a piece of work is, as `nic_core.progress.Listener.step` says."""
        if what not in self.tasks:
            self.tasks[what] = self.bars.add_task(printable(f"  {what}"), total=total or None, completed=done)
        self.bars.update(self.tasks[what], completed=done, total=total or None, visible=done < total or not total)

    def remove(self) -> None:
        """Take everything of it off the screen."""
        for task in (self.task, *self.tasks.values()):
            self.bars.remove_task(task)


@contextmanager
def working(title: str) -> Iterator[None]:
    """Show how far a block is, and its notes, on one line."""
    with bars() as shown:
        row = Row(shown, title)
        with progress.listening(progress.Listener(row.step, lambda fact: say(fact, err=True))):
            yield
