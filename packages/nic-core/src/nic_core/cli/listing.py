"""`nic codecs` and `nic plugins`: quick, without torch."""

import dataclasses

import click

from nic_core import native
from nic_core import plugins as discovery
from nic_core import weights as known_weights
from nic_core.cli.output import as_json, show, show_json, show_table
from nic_core.errors import WeightsNotFound
from nic_core.plugins.published import DEFAULT


@click.command()
@as_json
def codecs(as_json: bool) -> None:
    """List the installed codecs, how many sets of weights each has, and their options.

    'nic encode --help --codec ID' explains the options of one.
    """
    specs = discovery.list_codecs()
    if as_json:
        show_json([_facts(dataclasses.asdict(spec)) for spec in specs])
        return
    if not specs:
        click.echo(f"no codecs are installed; try: pip install {DEFAULT}")
        return
    found = known_weights.available()
    try:
        default = known_weights.default_codec()
    except WeightsNotFound:
        default = ""
    rows = []
    for spec in specs:
        count = sum(weights.codec == spec.id for weights in found)
        options = ", ".join(dict.fromkeys([*spec.settings("encode"), *spec.settings("decode")]))
        name = spec.id + (" (default)" if spec.id == default else "")
        needed = str(count or "none") if spec.weights else "none needed"
        rows.append((name, needed, options, spec.summary))
    show_table(("codec", "weights", "options", "summary"), rows)


def _facts(record: dict) -> dict:
    """Return a codec's record with its options' types by name."""
    return {**record, "options": [{**option, "type": option["type"].__name__} for option in record["options"]]}


@click.command()
@as_json
def plugins(as_json: bool) -> None:
    """List the installed plugins and what each brings, one that fails to load with its error; how the coder runs."""
    found = discovery.installed()
    if as_json:
        rows = [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "brings": {hook: len(records) for hook, records in plugin.records.items()},
                "error": plugin.error,
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
    show(f"entropy coder: {native.line()}")
