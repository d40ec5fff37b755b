"""What every verb of `nic` can be told: to say less, to say more, to show where an error comes from."""

import difflib
import logging
from dataclasses import dataclass

import click

from nic_core.printable import printable

logger = logging.getLogger("nic")


@dataclass
class Settings:
    """What was asked for, before the verb or after it.

    quiet: say nothing but errors. verbose: say what is decided and done. debug: show tracebacks.
    """

    quiet: bool = False
    verbose: bool = False
    debug: bool = False

    def level(self) -> int:
        """Return from which level on log records are shown."""
        if self.debug:
            return logging.DEBUG
        if self.verbose:
            return logging.INFO
        return logging.ERROR if self.quiet else logging.WARNING


def settings() -> Settings:
    """Return the settings of the verb that runs in this thread."""
    context = click.get_current_context(silent=True)
    return context.ensure_object(Settings) if context else Settings()


def _set(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        chosen = context.ensure_object(Settings)
        setattr(chosen, str(option.name), True)
        logger.setLevel(chosen.level())


def _flag(*names: str, help: str) -> click.Option:
    return click.Option(names, is_flag=True, is_eager=True, expose_value=False, callback=_set, help=help)


FLAGS = (
    _flag("--quiet", help="Say nothing but errors and what was asked for."),
    _flag("-v", "--verbose", help="Say what is decided, and a line for each file."),
    _flag("--debug", help="Show where in the program an error arose."),
)


def with_flags(command: click.Command) -> click.Command:
    """Add the flags of every verb to one, and to the verbs below it; names that it uses itself stay its own."""
    taken = {name for param in command.params for name in (*param.opts, param.name)}
    command.params += [flag for flag in FLAGS if not taken & {*flag.opts, flag.name}]
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_flags(below)
    return command


class Suggesting(click.Group):
    """A group that says which verb may be meant where there is none of a name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb that a command line begins with; UsageError, with what may be meant, for none."""
        if self.get_command(ctx, args[0]) is None:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


class LogLines(logging.Handler):
    """Shows log records as lines, each warning once: in a folder of pictures it would come with each of them."""

    def __init__(self) -> None:
        super().__init__()
        self._warned: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record to what is standard error at that time."""
        line = f"nic: {printable(record.getMessage())}"
        if record.exc_info:
            line += f"\n{logging.Formatter().formatException(record.exc_info)}"
        elif record.levelno >= logging.WARNING:
            if line in self._warned:
                return
            self._warned.add(line)
        click.echo(line, err=True)
