"""Draws what imports what into docs/architecture.md: the distributions, and the rooms of nic-core.

    hatch run draw-imports            rewrites the drawings
    hatch run draw-imports --check    exits with 1 where the file's are out of date

An arrow means "imports", imports inside functions included. What an arrow's end is reached by in several steps anyway
is left out.
"""

import argparse
import re
import sys
from pathlib import Path

import grimp

PAGE = Path(__file__).with_name("architecture.md")
PLACE = re.compile(r"(<!-- imports of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
DISTRIBUTIONS = (
    *("core", "native", "nn", "tbtc", "cca", "taco", "egic", "textsketch", "mini"),
    *("train", "eval", "ray", "zarr"),
)

Arrows = dict[str, set[str]]


def distributions() -> Arrows:
    """Return which distributions' packages import which."""
    names = [f"nic_{name}" for name in DISTRIBUTIONS]
    graph = grimp.build_graph(*names)
    return _arrows(graph, names, "")


def rooms(package: str) -> Arrows:
    """Return which modules and folders of a package import which; folders count as one."""
    graph = grimp.build_graph(package)
    return _arrows(graph, sorted(graph.find_children(package) - {f"{package}.__main__"}), f"{package}.")


def _arrows(graph: grimp.ImportGraph, places: list[str], prefix: str) -> Arrows:
    found = {
        place: {
            other
            for other in places
            if other != place and graph.direct_import_exists(importer=place, imported=other, as_packages=True)
        }
        for place in places
    }
    return {
        place.removeprefix(prefix): {other.removeprefix(prefix) for other in shortest(place, found)} for place in places
    }


def shortest(place: str, arrows: Arrows) -> set[str]:
    """Return the arrows of a place whose ends no other of its arrows leads to; there are no circles."""

    def reached(start: str) -> set[str]:
        return set().union(*({end} | reached(end) for end in arrows[start]))

    return {end for end in arrows[place] if not any(end in reached(other) for other in arrows[place] - {end})}


def mermaid(arrows: Arrows) -> str:
    """Return a drawing in Mermaid's notation."""
    lines = [f"    {place} --> {end}" for place, ends in sorted(arrows.items()) for end in sorted(ends)]
    alone = [f"    {place}" for place in sorted(set(arrows) - set().union(*arrows.values())) if not arrows[place]]
    return "\n".join(["```mermaid", "flowchart TD", *alone, *lines, "```", ""])


def main() -> int:
    """Rewrite or check the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 where something would")
    check = parser.parse_args().check
    old = PAGE.read_text()
    new = PLACE.sub(
        lambda found: (
            f"{found[1]}\n{mermaid(distributions() if found[2] == 'distributions' else rooms(found[2]))}\n{found[3]}"
        ),
        old,
    )
    if check and new != old:
        print(f"the drawings in {PAGE.name} are out of date: hatch run draw-imports", file=sys.stderr)
        return 1
    if new != old:
        PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
