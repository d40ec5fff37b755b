"""The `nic` command: one group of verbs, from core and from plugins, each imported when it is called."""

import logging
import sys
import traceback

import click

from nic_core import __version__
from nic_core.errors import NicError
from nic_core.plugins import records
from nic_core.spec import CommandSpec, resolve

CORE = (
    CommandSpec("encode", "nic_core.cli.transcode:encode", "Compress pictures into .nic files."),
    CommandSpec("decode", "nic_core.cli.transcode:decode", "Turn .nic files back into pictures."),
    CommandSpec("info", "nic_core.cli.listing:info", "Show what a .nic file says of itself."),
    CommandSpec("codecs", "nic_core.cli.listing:codecs", "List the installed codecs and their options."),
    CommandSpec("plugins", "nic_core.cli.listing:plugins", "List the installed plugins, broken ones included."),
    CommandSpec("weights", "nic_core.cli.weights:weights", "List, add, remove or import trained weights."),
    CommandSpec("demo", "nic_core.cli.demo:demo", "Compress a photograph and show what came out."),
)


class Verbs(click.Group):
    """A group that lists its verbs by their summaries, so that --help imports none of them."""

    def specs(self) -> dict[str, CommandSpec]:
        """Return core's verbs and the plugins'; core's cannot be replaced."""
        brought = {spec.name: spec for _, spec in records("nic_commands")}
        return {spec.name: spec for spec in CORE} | {k: v for k, v in sorted(brought.items()) if k not in _core_names()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all verbs."""
        return list(self.specs())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one verb."""
        spec = self.specs().get(cmd_name)
        return resolve(spec.target) if spec else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, spec.summary) for name, spec in self.specs().items()])


def _core_names() -> set[str]:
    return {spec.name for spec in CORE}


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: nic demo, or: nic encode photo.jpg -o photo.nic && nic decode photo.nic -o photo.png",
)
@click.version_option(__version__, prog_name="nic")
def cli() -> None:
    """Neural image compression: picture -> .nic file -> picture.

    Codecs are plugins; 'nic codecs' lists those that are installed. With any verb, --debug shows the traceback of an
    error and --verbose what is decided along the way.
    """


def main() -> None:
    """Run the command line: errors are one line, exit code 1, or 2 for wrong usage."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("nic: %(message)s"))
    logging.getLogger("nic").addHandler(handler)
    logging.getLogger("nic").setLevel(logging.INFO if "--verbose" in arguments else logging.WARNING)
    if debug:
        logging.getLogger("nic").setLevel(logging.DEBUG)
    sys.exit(run([argument for argument in arguments if argument not in ("--debug", "--verbose")], debug))


def run(arguments: list[str], debug: bool = False) -> int:
    """Run one command line and return its exit code."""
    try:
        code = cli.main(arguments, prog_name="nic", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("nic: interrupted", err=True)
        return 130
    except BrokenPipeError:
        return 141
    except Exception as error:
        if debug:
            traceback.print_exc()
        else:
            click.echo(f"nic: {message(error)}", err=True)
        return 1


def message(error: Exception) -> str:
    """Return what an error says to a user, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, NicError):
        return text
    return f"unexpected {type(error).__name__}: {text} (--debug shows where)"
