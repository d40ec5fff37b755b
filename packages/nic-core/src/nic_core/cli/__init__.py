"""The `nic` command: one group of verbs, from core and from plugins, each imported when it is called."""

import io
import logging
import os
import sys
import threading
import traceback
from typing import Any

import click
from click.shell_completion import CompletionItem

from nic_core.cli.output import is_of_output, message
from nic_core.cli.settings import LogLines, Settings, Suggesting, with_flags
from nic_core.cli.system.completion import with_completion
from nic_core.cli.system.versions import with_version
from nic_core.errors import NicError
from nic_core.memory import keep_freed_memory
from nic_core.plugins import Plugin, blame, blamed, records
from nic_core.plugins.discovery import brought_twice
from nic_core.printable import printable
from nic_core.spec import CommandSpec, resolve

CORE = (
    CommandSpec("encode", "nic_core.cli.encode:encode", "Compress pictures into .nic files."),
    CommandSpec("decode", "nic_core.cli.decode:decode", "Turn .nic files back into pictures."),
    CommandSpec("info", "nic_core.cli.info:info", "Show what a .nic file says of itself."),
    CommandSpec("codecs", "nic_core.cli.installed.listing:codecs", "List the installed codecs and their options."),
    CommandSpec("plugins", "nic_core.cli.installed.listing:plugins", "List the installed plugins, broken ones too."),
    CommandSpec(
        "weights", "nic_core.cli.installed.weights:weights", "List, get, add, remove, import or export weights."
    ),
    CommandSpec("config", "nic_core.cli.installed.config:config", "Set the default codec, or show it."),
    CommandSpec("new-plugin", "nic_core.cli.new_plugin.command:new_plugin", "Write a new codec's package, with tests."),
    CommandSpec("demo", "nic_core.cli.demo:demo", "Compress a photograph and show what came out."),
    CommandSpec("doctor", "nic_core.cli.system.doctor:doctor", "Check what is installed and whether it runs."),
    CommandSpec(
        "desktop", "nic_core.cli.system.desktop:desktop", "Tell a Linux desktop about .nic files, or no longer."
    ),
    CommandSpec(
        "thumbnail", "nic_core.cli.system.thumbnail:thumbnail", "Write a small PNG of a .nic file, for file managers."
    ),
)

VERB = "nic_core.cli.verb"
"""What the record of the verb that runs is called in click's contexts."""

INTERRUPTED = 130
BROKEN_PIPE = 141
JOB = "nic job"
"""What the names of threads begin with that work on files; Ctrl-C does not wait for them."""


class Verbs(Suggesting):
    """A group that lists its verbs by their summaries, so that --help imports none of them."""

    def specs(self) -> dict[str, CommandSpec]:
        """Return core's verbs and the plugins'; core's cannot be replaced."""
        brought = {spec.name: spec for _, spec in self._brought()}
        return {spec.name: spec for spec in CORE} | dict(sorted(brought.items()))

    def _brought(self) -> list[tuple[Plugin, CommandSpec]]:
        return [(plugin, spec) for plugin, spec in records("nic_commands") if spec.name not in _core_names()]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all verbs."""
        return list(self.specs())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one verb."""
        core = [spec for spec in CORE if spec.name == cmd_name]
        found = [(plugin, spec) for plugin, spec in self._brought() if spec.name == cmd_name]
        if not core and len(found) > 1:
            both = brought_twice([plugin for plugin, _ in found], f"a verb {cmd_name!r}")
            raise NicError(f"{both}; uninstall one, or set NIC_DISABLE_PLUGINS to its plugin's name")
        specs = core or [spec for _, spec in found]
        if not specs:
            return None
        (spec,) = specs
        ctx.meta[VERB] = spec
        with blamed(spec, "its import"):
            return with_flags(resolve(spec.target))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; what one of a plugin's raises names the plugin, unless it is meant for the user, as usage is."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            spec = ctx.meta.get(VERB)
            told = error if spec in (None, *CORE) or is_of_output(error) else blame(error, spec, "its work")
            if told is error:
                raise
            raise told from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the verbs and flags that begin so; imports none of the verbs, which click's own does."""
        verbs = [CompletionItem(name, help=spec.summary) for name, spec in self.specs().items()]
        found = [item for item in verbs if item.value.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, spec.summary) for name, spec in self.specs().items()])


def _core_names() -> set[str]:
    return {spec.name for spec in CORE}


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: nic demo, or: nic encode photo.jpg && nic decode photo.nic",
)
@with_version
@with_completion
def cli() -> None:
    """Neural image compression: picture -> .nic file -> picture.

    Codecs are plugins; 'nic codecs' lists those that are installed. 'nic VERB --help' explains a verb.
    """


with_flags(cli)


def main() -> None:
    """Run the command line: errors are one line, exit code 1, or 2 for wrong usage."""
    logging.getLogger("nic").addHandler(LogLines())
    # Threads of torch's libgomp that wait for others spin: beside a second process each takes ten times as long.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a character that the terminal's encoding lacks
    code = _flushed(run(sys.argv[1:]))
    if code == INTERRUPTED and any(thread.name.startswith(JOB) for thread in threading.enumerate()):
        os._exit(code)  # without waiting for what they do; a temporary file goes with the next run
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    settings, log = Settings(), logging.getLogger("nic")
    level = log.level
    try:
        if level == logging.NOTSET:
            log.setLevel(settings.level())
        code = cli.main(arguments, prog_name="nic", standalone_mode=False, obj=settings)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        click.echo("\n".join(printable(line) for line in text.getvalue().rstrip().split("\n")), err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("nic: interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        return BROKEN_PIPE
    except Exception as error:
        if settings.debug:
            traceback.print_exc()
        else:
            click.echo(f"nic: {message(error)}", err=True)
        return 1
    finally:
        log.setLevel(level)


def _flushed(code: int) -> int:
    """Write out what waits for standard output, while an error can still be shown; return the exit code."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's own flush at the end
        if isinstance(error, BrokenPipeError):
            return BROKEN_PIPE
        click.echo(f"nic: {message(error)}", err=True)
        return code or 1
    return code
