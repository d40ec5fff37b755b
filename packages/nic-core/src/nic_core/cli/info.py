"""`nic info`: what .nic files say of themselves; quick, without torch."""

from pathlib import PurePath
from typing import Any

import click

from nic_core import weights as known_weights
from nic_core.cli.jobs import Kind, PlaceType, find
from nic_core.cli.output import as_json, message, read, show, show_json
from nic_core.errors import NicError
from nic_core.files.places import is_folder
from nic_core.format import container, resolution
from nic_core.printable import printable

FILES = Kind(frozenset({".nic"}), ".nic files", "")


@click.command()
@click.argument("files", nargs=-1, required=True, type=PlaceType())
@as_json
def info(files: tuple[PurePath, ...], as_json: bool) -> int:
    """Show what .nic files say of themselves: size, codec, weights, quality, metadata. Decodes nothing.

    \b
    nic info photo.nic
    nic info holiday/           all .nic files of a folder
    nic info --json a.nic b.nic

    One that cannot be read is named, the others are shown, and the exit code is 1. JSON is an object for one file and a
    list for several or for a folder; one that cannot be read has the keys "file" and "error" in it.
    """
    found = find(files, FILES)
    facts: list[dict[str, Any]] = [{"file": str(job.source), "error": job.problem} for job in found.unread]
    for path, _ in found.files:
        try:
            facts.append(describe(path))
        except Exception as error:
            facts.append({"file": str(path), "error": message(error)})
    for fact in facts:
        if "error" in fact:
            show(f"nic: {fact['error']}", err=True)
    if as_json:
        single = len(files) == 1 and len(facts) == 1 and not is_folder(files[0])
        show_json(facts[0] if single else facts)
    elif sound := [fact for fact in facts if "error" not in fact]:
        click.echo("\n\n".join(map(_text, sound)))
    return 1 if any("error" in fact for fact in facts) else 0


def describe(path: PurePath) -> dict[str, Any]:
    """Return a .nic file's facts, in the order in which they are shown; an error of nic's names the file."""
    data = read(path)
    try:
        file = container.unpack(data, container.UNLIMITED)
    except NicError as error:
        raise type(error)(f"{path}: {error}") from error
    head = file.header
    fitting = [spec for spec in known_weights.available(head.codec) if spec.entropy_id == head.entropy_id]
    fitting.sort(key=lambda spec: spec.synthesis_id != head.synthesis_id)  # the file's own first
    return {
        "file": str(path),
        "bytes": len(data),
        "width": head.width,
        "height": head.height,
        "channels": head.channels,
        "bit_depth": head.bit_depth,
        "bpp": round(8 * len(data) / (head.width * head.height), 4),
        "codec": head.codec,
        "quality": head.quality,
        "coder": head.coder,
        "entropy_id": head.entropy_id,
        "synthesis_id": head.synthesis_id,
        "weights": fitting[0].name if fitting else None,
        "decoders": list(dict.fromkeys(spec.decoder for spec in fitting if spec.decoder)),
        "units": [len(unit) for unit in file.units],
        "tiles": _tiles(head),
        "dpi": resolution.stated(file.chunks),
        "chunks": [{"kind": kind, "bytes": len(content)} for kind, content in file.chunks.items()],
    }


def _tiles(head: container.Header) -> dict[str, int] | None:
    """Return how a picture is divided, None where it is in one piece."""
    if (tiling := head.tiling) is None:
        return None
    columns, rows = tiling.columns(head.width), tiling.rows(head.height)
    return {"columns": columns, "rows": rows, "width": tiling.width, "height": tiling.height}


def _text(fact: dict[str, Any]) -> str:
    """Return a file's facts for people."""
    rows = {
        "file": fact["file"],
        "bytes": fact["bytes"],
        "size": f"{fact['width']} x {fact['height']}",
        **{key: fact[key] for key in ("channels", "bit_depth", "bpp", "codec", "quality", "coder")},
        "entropy_id": fact["entropy_id"],
        "synthesis_id": fact["synthesis_id"],
        "weights": fact["weights"] or "not installed",
        "decoders": ", ".join(fact["decoders"]),
        "tiles": "{columns} x {rows} of {width} x {height}".format(**fact["tiles"]) if fact["tiles"] else None,
        "units": len(fact["units"]),
        "dpi": fact["dpi"],
        "chunks": ", ".join(f"{chunk['kind']} ({chunk['bytes']} bytes)" for chunk in fact["chunks"]),
    }
    width = max(map(len, rows))
    return "\n".join(
        f"{key:<{width}}  {printable(str(value))}" for key, value in rows.items() if value not in (None, "")
    )
