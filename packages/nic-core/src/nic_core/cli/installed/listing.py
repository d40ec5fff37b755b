"""`nic codecs` and `nic plugins`: quick, without torch."""

import dataclasses
from collections.abc import Sequence

import click

from nic_core import native
from nic_core import plugins as discovery
from nic_core import weights as known_weights
from nic_core.cli import CORE
from nic_core.cli.output import as_json, message, show, show_json, show_table
from nic_core.errors import NicError
from nic_core.plugins.conflicts import Conflict, conflicts
from nic_core.plugins.published import DEFAULT


@click.command()
@as_json
def codecs(as_json: bool) -> None:
    """List the installed codecs, how many sets of weights each has, and their options.

    'nic encode --help --codec ID' explains the options of one.
    """
    specs, clashes = discovery.list_codecs(), conflicts(spec.name for spec in CORE)
    if as_json:
        show_json([_facts(dataclasses.asdict(spec), clashes) for spec in specs])
        return
    if not specs:
        click.echo(f"no codecs are installed; try: pip install {DEFAULT}")
        return
    found = known_weights.available()
    try:
        default = known_weights.default_codec()
    except NicError as error:
        default = ""
        show(f"nic: {message(error)}", err=True)
    rows = []
    for spec in specs:
        count = sum(weights.codec == spec.id for weights in found)
        options = ", ".join(dict.fromkeys([*spec.settings("encode"), *spec.settings("decode")]))
        twice = any((clash.hook, clash.name) == ("nic_codecs", spec.id) for clash in clashes)
        name = spec.id + (" (default)" if spec.id == default else "") + (" (conflict)" if twice else "")
        needed = str(count or "none") if spec.weights else "none needed"
        rows.append((name, needed, options, spec.summary))
    show_table(("codec", "weights", "options", "summary"), rows)
    _show_conflicts(clashes)


def _facts(record: dict, clashes: Sequence[Conflict]) -> dict:
    """Return a codec's record with its options' types by name, and its conflicts."""
    own = [clash.text for clash in clashes if clash.codec == record["id"]]
    options = [{**option, "type": option["type"].__name__} for option in record["options"]]
    return {**record, "options": options, "conflicts": own}


def _show_conflicts(clashes: Sequence[Conflict]) -> None:
    for clash in clashes:
        show(f"conflict: {clash.text}")


@click.command()
@as_json
def plugins(as_json: bool) -> None:
    """List the installed plugins and what each brings, one that fails to load with its error; how the coder runs.

    Names that two of them bring are listed as conflicts: codecs, verbs, importers, recipes and weights. To be without
    a plugin, uninstall its package, or name it in NIC_DISABLE_PLUGINS (separated by commas).
    """
    found, clashes = discovery.installed(), conflicts(spec.name for spec in CORE)
    if as_json:
        rows = [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "brings": {hook: len(records) for hook, records in plugin.records.items()},
                "error": plugin.error,
                "conflicts": [clash.text for clash in clashes if plugin.name in clash.plugins],
            }
            for plugin in found
        ]
        show_json(rows)
        return
    if not found:
        click.echo(f"no plugins are installed; try: pip install {DEFAULT}")
    for plugin in found:
        counts = [f"{len(records)} {hook.removeprefix('nic_')}" for hook, records in plugin.records.items() if records]
        show(f"{plugin.name}  ({plugin.distribution} {plugin.version})  {', '.join(counts) or 'nothing'}")
        if plugin.error:
            show(f"  failed: {plugin.error}")
    _show_conflicts(clashes)
    show(f"entropy coder: {native.line()}")
