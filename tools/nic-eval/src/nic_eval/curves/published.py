"""Published rate-distortion figures on the Kodak pictures, for anchors and for dashed lines in plots."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from nic_core.errors import BadOption

from nic_eval.results import Curve, Original, Point

PREFIX = "published:"
"""What the names of published curves begin with in a report."""

KODAK = frozenset(f"kodim{number:02}" for number in range(1, 25))


@cache
def _figures() -> dict[str, dict[str, Any]]:
    return json.loads((files("nic_eval.curves") / "kodak.json").read_text())


def names() -> list[str]:
    """Return what can be asked for, without the prefix."""
    return list(_figures())


def curve(name: str) -> Curve:
    """Return published figures, asked for with or without the prefix; BadOption, listing all, for an unknown name."""
    short = name.removeprefix(PREFIX)
    if short not in _figures():
        raise BadOption(f"no published figures are called {short!r}; there are {', '.join(names())}")
    record = _figures()[short]
    metrics = [metric for metric in record if metric not in ("source", "bpp")]
    points = tuple(
        Point(f"{bpp:.3f} bpp", None, bpp, {metric: record[metric][i] for metric in metrics}, ())
        for i, bpp in enumerate(record["bpp"])
    )
    return Curve(PREFIX + short, "published", points, "means over the 24 Kodak pictures", {}, record["source"])


def is_kodak(pictures: Iterable[Original]) -> bool:
    """Whether these are the pictures that the published figures were measured on, by their names and sizes."""
    names, sizes = set(), set()
    for picture in pictures:
        names.add(picture.name.rpartition("/")[2].partition(".")[0])
        sizes.add(frozenset((picture.width, picture.height)))
    return names == KODAK and sizes == {frozenset((768, 512))}


def remarks(curves: Iterable[Curve], pictures: Iterable[Original], metrics: Sequence[str]) -> list[str]:
    """Return what a report of these curves must say of the published ones: other pictures, metrics that they lack."""
    shown = [curve for curve in curves if curve.kind == "published"]
    notes = []
    if shown and not is_kodak(pictures):
        notes.append("published curves are means over the 24 Kodak pictures; this report is of other pictures")
    lacking = {curve.name: _lacking(curve, metrics) for curve in shown}
    return notes + [f"{name} has no published {' or '.join(missing)}" for name, missing in lacking.items() if missing]


def _lacking(curve: Curve, metrics: Sequence[str]) -> list[str]:
    return [metric for metric in metrics if not any(metric in point.metrics for point in curve.points)]
