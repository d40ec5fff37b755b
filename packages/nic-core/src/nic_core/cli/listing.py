"""`nic info`, `nic codecs` and `nic plugins`: quick, without torch."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from nic_core import plugins as discovery
from nic_core import weights as known_weights
from nic_core.errors import NicError
from nic_core.format import chunks, container

as_json = click.option("--json", "as_json", is_flag=True, help="For programs: JSON instead of text.")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@as_json
def info(files: tuple[Path, ...], as_json: bool) -> None:
    """Show what .nic files say of themselves: size, codec, weights, quality, metadata. Decodes nothing."""
    rows = [describe(path) for path in files]
    if as_json:
        click.echo(json.dumps(rows if len(rows) > 1 else rows[0], indent=1))
        return
    for row in rows:
        width = max(map(len, row))
        click.echo("\n".join(f"{key:<{width}}  {value}" for key, value in row.items() if value not in (None, "")))


def describe(path: Path) -> dict[str, Any]:
    """Return a .nic file's facts, in the order in which they are shown."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NicError(f"cannot read {path}: {error.strerror}") from error
    try:
        file = container.unpack(data, max_pixels=1 << 64)
    except NicError as error:
        raise type(error)(f"{path}: {error}") from error
    head = file.header
    fitting = [spec for spec in known_weights.available(head.codec) if spec.entropy_id == head.entropy_id]
    return {
        "file": str(path),
        "bytes": len(data),
        "size": f"{head.width} x {head.height}",
        "channels": head.channels,
        "bit_depth": head.bit_depth,
        "bpp": round(8 * len(data) / (head.width * head.height), 4),
        "codec": head.codec,
        "quality": head.quality,
        "coder": head.coder,
        "entropy_id": head.entropy_id,
        "synthesis_id": head.synthesis_id,
        "weights": fitting[0].name if fitting else "not installed",
        "units": len(file.units),
        "dpi": chunks.resolution(file.chunks),
        "chunks": ", ".join(f"{kind} ({len(data)} bytes)" for kind, data in file.chunks.items()),
    }


@click.command()
@as_json
def codecs(as_json: bool) -> None:
    """List the installed codecs, their options and how many sets of weights each has."""
    specs = discovery.list_codecs()
    if as_json:
        click.echo(
            json.dumps([dataclasses.asdict(spec) for spec in specs], indent=1, default=lambda kind: kind.__name__)
        )
        return
    if not specs:
        click.echo("no codecs are installed; try: pip install nic-mini")
        return
    found = known_weights.available()
    default = next((spec.codec for spec in found if spec.rank > 0), None)
    table = Table(box=None, pad_edge=False)
    for heading in ("codec", "weights", "options", "summary"):
        table.add_column(heading, no_wrap=heading == "codec")
    for spec in specs:
        count = sum(weights.codec == spec.id for weights in found)
        options = ", ".join(dict.fromkeys([*spec.settings("encode"), *spec.settings("decode")]))
        table.add_row(
            spec.id + (" (default)" if spec.id == default else ""), str(count or "none"), options, spec.summary
        )
    Console(markup=False, highlight=False).print(table)


@click.command()
@as_json
def plugins(as_json: bool) -> None:
    """List the installed plugins and what each brings; one that fails to load is shown with its error."""
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
        click.echo(json.dumps(rows, indent=1))
        return
    if not found:
        click.echo("no plugins are installed; try: pip install nic-mini")
    for plugin in found:
        counts = [f"{len(records)} {hook.removeprefix('nic_')}" for hook, records in plugin.records.items() if records]
        click.echo(f"{plugin.name}  ({plugin.distribution} {plugin.version})  {', '.join(counts) or 'nothing'}")
        if plugin.error:
            click.echo(f"  failed: {plugin.error}")
