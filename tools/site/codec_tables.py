"""Writes what plugins say of their codecs into the codecs' pages: what to install, options, recipes, importers.

hatch run codec-tables            rewrites the tables
hatch run codec-tables --check    exits with 1 where a page's is out of date
"""

import argparse
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from nic_core import plugins
from nic_core.spec import CheckpointSpec, CodecSpec, Option, RecipeSpec

DOCS = Path(__file__).parents[2] / "docs"
PLACE = re.compile(r"(<!-- codecs of (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(distribution: str) -> str:
    """Return a Markdown table of what a distribution's plugin brings; LookupError where it is not installed."""
    found = [plugin for plugin in plugins.installed() if plugin.distribution == distribution]
    if not found:
        raise LookupError(f"{distribution} is not installed")
    records = found[0].records
    codecs = records["nic_codecs"]
    bundled = [f"`{spec.name}` for `{spec.codec}`" for spec in records["nic_weights"]]
    rows = {
        "install": f"`pip install nic-core {distribution}`",
        "codecs": _listed(f"`{spec.id}`" for spec in codecs),
        "paper": _listed(dict.fromkeys(spec.paper for spec in codecs)),
        "weights in the package": _listed(bundled) or "none",
        "checkpoints of the authors": _listed(
            f"`nic weights import {spec.codec}`" for spec in records["nic_importers"]
        ),
        "to download": _listed(_published(records["nic_checkpoints"], {spec.id for spec in codecs})),
        "recipes": _listed(_recipes(records["nic_recipes"])),
        "without torch": _listed(f"`{spec.id}`" for spec in codecs if spec.graphs),
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items() if value)]
    if options := _options(codecs):
        lines += ["", "| option | for | default | what |", "|---|---|---|---|", *options]
    return "\n".join([*lines, ""])


def _published(specs: Iterable[CheckpointSpec], codecs: set[str]) -> Iterable[str]:
    """Yield what `nic weights get` downloads for codecs, and under which licence."""
    named: dict[tuple[str, str], list[str]] = {}
    for spec in specs:
        if spec.codec in codecs and spec.importable:
            lambdas = named.setdefault((spec.codec, spec.licence), [])
            lambdas += [] if spec.lmbda is None else [f"{spec.lmbda:g}"]
    for (codec, licence), lambdas in named.items():
        told = f"lambda {', '.join(lambdas)}" if lambdas else "what the authors' folder or archive holds"
        yield f"`nic weights get {codec}`: {told} (licence: {licence})"


def _recipes(specs: Iterable[RecipeSpec]) -> Iterable[str]:
    """Yield what recipes are, those that say the same together."""
    named: dict[str, list[str]] = {}
    for spec in specs:
        named.setdefault(spec.summary.rstrip("."), []).append(f"`nic train {spec.name}`")
    for summary, names in named.items():
        yield f"{', '.join(names)}: {summary[0].lower()}{summary[1:]}"


def _options(codecs: Iterable[CodecSpec]) -> list[str]:
    verbs: dict[Option, dict[str, None]] = {}
    users: dict[Option, dict[str, None]] = {}
    for spec in codecs:
        for option in spec.options:
            either = replace(option, when="encode", table="")
            verbs.setdefault(either, {})[option.when] = None
            users.setdefault(either, {})[spec.id] = None
    everyone = len(list(codecs))
    return [
        f"| `--{option.name}` | {', '.join(verbs[option])}{'' if len(ids) == everyone else ': ' + ', '.join(ids)} "
        f"| {'' if option.default in (None, '') else option.default} "
        f"| {option.help.replace('[', '&#91;')}{_bounds(option)} |"  # brackets would be links
        for option, ids in users.items()
    ]


def _bounds(option: Option) -> str:
    bounds = option.range.replace(" | ", ", ")  # a bar would end the cell
    return f" ({bounds})" if bounds else ""


def _listed(texts: Iterable[str]) -> str:
    return "; ".join(filter(None, texts))


def main() -> int:
    """Rewrite or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 where something would")
    check, code = parser.parse_args().check, 0
    for page in sorted(DOCS.glob("*.md")):
        old = page.read_text(encoding="utf-8")
        new = PLACE.sub(lambda found: f"{found[1]}\n{table(found[2])}\n{found[3]}", old)
        if new == old:
            continue
        if check:
            print(f"the table in {page.name} is out of date: hatch run codec-tables", file=sys.stderr)
            code = 1
        else:
            page.write_text(new, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
