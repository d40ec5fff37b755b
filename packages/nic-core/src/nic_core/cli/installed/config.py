"""`nic config`: what shall hold for good."""

import os

import click

from nic_core import plugins, user_config, weights
from nic_core.cli.output import as_json, say, show, show_json
from nic_core.cli.settings import Suggesting
from nic_core.cli.system.completion import CodecName
from nic_core.errors import NicError
from nic_core.weights.preferred import VARIABLE, Default


@click.group(cls=Suggesting, invoke_without_command=True)
@as_json
@click.pass_context
def config(ctx: click.Context, as_json: bool) -> None:
    """Show or change what shall hold for good. Without a verb: what is set, and in which file.

    \b
    nic config                    what is set
    nic config default mini       encode with mini wherever no --codec says otherwise
    nic config default --unset    take the codec whose weights rank highest again
    """
    if ctx.invoked_subcommand is not None:
        return
    path, value = user_config.config_file(), user_config.setting(user_config.DEFAULT)
    if as_json:
        show_json({"file": str(path), "default": value})
        return
    show(f"file     {path}{'' if path.exists() else ' (not there: nothing is set)'}")
    show(f"default  {value or 'not set'}")


@config.command()
@click.argument("codec", required=False, type=CodecName())
@click.option("--unset", is_flag=True, help="Forget what was set.")
def default(codec: str | None, unset: bool) -> None:
    """Set the codec that is used where none is named, or show it.

    It comes from the first of these that says one: the variable NIC_CODEC, this setting, the rank of installed weights.
    'nic codecs' lists the codecs that are installed.
    """
    if codec and unset:
        raise click.UsageError("give a codec, or --unset")
    if codec:
        spec = plugins.codec_spec(codec)
        user_config.put(user_config.DEFAULT, spec.id)
        say(f"the default codec is {spec.id} from now on")
        if not weights.available(spec.id):
            say(f"it has no weights yet: 'nic weights' says where they go, 'nic encode --codec {spec.id}' what to do")
        if (other := os.environ.get(VARIABLE)) and other != spec.id:
            say(f"while {VARIABLE}={other} is set, that wins")
    elif unset:
        user_config.put(user_config.DEFAULT, None)
        say(f"no default codec is set: {_told(_found())}")
    else:
        show(_told(_found()))


def _found() -> Default | NicError:
    try:
        return weights.default()
    except NicError as error:
        return error


def _told(found: Default | NicError) -> str:
    return f"{found.codec}, by {found.by}" if isinstance(found, Default) else str(found)
