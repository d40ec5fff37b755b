"""Completion in shells: the script for each, and what stands for a codec or for weights on a command line."""

from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_NIC_COMPLETE"
"""Environment variable by which a shell asks `nic` for words."""


class CodecName(click.ParamType):
    """A codec's id, alone or before @weights and :key=value; completed from what is installed. Any text passes."""

    name = "text"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the ids of installed codecs that begin so."""
        from nic_core.plugins import list_codecs  # here, as parsing needs it not

        return [CompletionItem(spec.id, help=spec.summary) for spec in list_codecs() if spec.id.startswith(incomplete)]


class WeightsName(click.ParamType):
    """Weights by name, path or address; completed from those that are known, and by files. Any text passes."""

    name = "text"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names of known weights that begin so; where none does, the shell completes files."""
        from nic_core.weights import available  # slow to import

        codec = str(ctx.params.get("codec") or "").partition("@")[0].partition(":")[0] or None
        names = sorted({spec.name for spec in available(codec) if spec.name.startswith(incomplete)})
        return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


def _show(ctx: click.Context, param: click.Parameter, shell: str | None) -> None:
    if not shell or ctx.resilient_parsing:
        return
    kind = get_completion_class(shell)
    assert kind is not None
    complete = kind(ctx.command, {}, "nic", VARIABLE)
    # Not `complete.source()`, which for bash starts one to ask for its version: the script may be for elsewhere.
    click.echo(complete.source_template % complete.source_vars())
    ctx.exit()


def with_completion(command: Any) -> Any:
    """Add --completion to a command."""
    return click.option(
        "--completion",
        type=click.Choice(SHELLS),
        is_eager=True,
        expose_value=False,
        callback=_show,
        help='Print what makes a shell complete nic\'s words: eval "$(nic --completion bash)"',
    )(command)
