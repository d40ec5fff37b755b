"""Published rate-distortion figures, for anchors and for dashed lines in plots."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from nic_core.errors import BadOption

from nic_eval.curves.picture_sets import KODAK, SETS, PictureSet
from nic_eval.results import Curve, Original, Point

PREFIX = "published:"
"""What the names of published curves begin with in a report."""


@cache
def _figures() -> dict[str, tuple[PictureSet, dict[str, Any]]]:
    """Return by name what figures are of, and the record that holds them."""
    folder = files("nic_eval.curves")
    read = {stem: json.loads((folder / f"{stem}.json").read_text()) for stem in SETS}
    return {name: (SETS[stem], record) for stem, records in read.items() for name, record in records.items()}


def names() -> list[str]:
    """Return what can be asked for, without the prefix."""
    return list(_figures())


def curve(name: str) -> Curve:
    """Return published figures, asked for with or without the prefix; BadOption, listing all, for an unknown name."""
    short = name.removeprefix(PREFIX)
    if short not in _figures():
        raise BadOption(f"no published figures are called {short!r}; there are {', '.join(names())}")
    pictures, record = _figures()[short]
    metrics = [metric for metric in record if metric not in ("source", "bpp")]
    points = tuple(
        Point(f"{bpp:.3f} bpp", None, bpp, {metric: record[metric][i] for metric in metrics}, ())
        for i, bpp in enumerate(record["bpp"])
    )
    return Curve(PREFIX + short, "published", points, f"means over {pictures.title}", {}, record["source"])


def pictures_of(curve: Curve) -> PictureSet:
    """Return what a published curve is of; Kodak where it is not known, as all once were."""
    return _figures().get(curve.name.removeprefix(PREFIX), (KODAK,))[0]


def is_kodak(pictures: Iterable[Original]) -> bool:
    """Whether these are the Kodak pictures, by their names and sizes."""
    return KODAK.holds(pictures)


def remarks(curves: Iterable[Curve], pictures: Iterable[Original], metrics: Sequence[str]) -> list[str]:
    """Return what a report of these curves must say of the published ones: other pictures, metrics that they lack."""
    shown = [curve for curve in curves if curve.kind == "published"]
    pictures = list(pictures)
    by_set: dict[PictureSet, list[str]] = {}
    for item in shown:
        by_set.setdefault(pictures_of(item), []).append(item.name)
    notes = [
        f"{'published curves' if len(by_set) == 1 else ', '.join(names)} are means over {known.title}; "
        "this report is of other pictures"
        for known, names in by_set.items()
        if not known.holds(pictures)
    ]
    lacking = {curve.name: _lacking(curve, metrics) for curve in shown}
    return notes + [f"{name} has no published {' or '.join(missing)}" for name, missing in lacking.items() if missing]


def _lacking(curve: Curve, metrics: Sequence[str]) -> list[str]:
    return [metric for metric in metrics if not any(metric in point.metrics for point in curve.points)]
