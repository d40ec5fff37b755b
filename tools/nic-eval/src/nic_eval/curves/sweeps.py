"""Sweeps: curves of one codec that differ in one option's value, whose points of equal label make lines of their own.

A realism sweep is one: `--codec egic:realism=0 --codec egic:realism=0.5 --codec egic:realism=1` gives three curves, and
each quality of the codec a line from the lowest realism to the highest.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nic_core.api import parse_codec
from nic_core.errors import BadOption

from nic_eval.curves.differences import plotted
from nic_eval.results import ESTIMATED, Curve


@dataclass(frozen=True)
class Line:
    """Points of a plot of one metric over another that belong together: (curve, point) by their indices, in order.

    name: what the legend calls it.
    """

    name: str
    points: tuple[tuple[int, int], ...]


def lines(curves: Sequence[Curve]) -> list[Line]:
    """Return the sweeps, and every curve that is in none of them as a line of its own."""
    found = sweeps(curves)
    swept = {curve for line in found for curve, _ in line.points}
    own = (
        Line(curve.name, tuple((i, j) for j in range(len(curve.points))))
        for i, curve in enumerate(curves)
        if i not in swept
    )
    return [*found, *own]


def sweeps(curves: Sequence[Curve]) -> list[Line]:
    """Return a line for each label that at least two curves have whose names differ in one option's number only."""
    groups: defaultdict[tuple[str, str], dict[float, int]] = defaultdict(dict)
    for index, curve in enumerate(curves):
        for key, value, rest in _numbers(curve):
            groups[key, rest].setdefault(value, index)
    found = []
    for (key, name), members in groups.items():
        places: defaultdict[str, list[tuple[float, tuple[int, int]]]] = defaultdict(list)
        for value, index in sorted(members.items()):
            for number, point in enumerate(curves[index].points):
                places[point.label].append((value, (index, number)))
        for label, swept in places.items():
            if len(swept) > 1:
                span = f"{key} {swept[0][0]:g} to {swept[-1][0]:g}"
                found.append(Line(f"{name}, {label}, {span}", tuple(place for _, place in swept)))
    return found


def plane(curves: Sequence[Curve], line: Line, x: str, y: str) -> list[tuple[float, float]]:
    """Return a line's points (x, y) in a plot of one metric over another, without those that lack either."""
    points = [curves[i].points[j].metrics for i, j in line.points]
    return [(plotted(item[x], x), plotted(item[y], y)) for item in points if x in item and y in item]


def _numbers(curve: Curve) -> Iterator[tuple[str, float, str]]:
    """Yield each option of a curve's name that is a number: its key, its value, and the name without it."""
    if curve.kind != "codec":
        return
    text = curve.name.removesuffix(ESTIMATED)
    try:
        codec, weights, options = parse_codec(text)
    except BadOption:  # a name from elsewhere
        return
    for key, value in options.items():
        try:
            number = float(value)
        except ValueError:
            continue
        yield key, number, _name(codec, weights, {**options, key: ""}) + curve.name[len(text) :]


def _name(codec: str, weights: str | None, options: Mapping[str, str]) -> str:
    """Return the name of a curve with these options, without those that are empty."""
    settings = ",".join(f"{key}={value}" for key, value in sorted(options.items()) if value)
    return codec + (f"@{weights}" if weights else "") + (f":{settings}" if settings else "")
