"""What a plot shows at first: rates that the measured curves share, and values without points that are far off.

The page and the files in plots/ both take their axes from here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from nic_eval.curves.differences import plotted
from nic_eval.metrics.catalogue import known
from nic_eval.results import Curve

FAR = 6.0
"""A point is stray that is so many median deviations from its curve's median, in its value or the log of its rate."""

FEWEST = 4
"""Points of a curve from which on a stray one can be told from the others."""


@dataclass(frozen=True)
class Place:
    """A point of a plot. curve: index of its curve; point: index in the curve; value: as plotted."""

    curve: int
    point: int
    rate: float
    value: float


@dataclass(frozen=True)
class View:
    """The axes of one metric's plot: (lowest, highest) in bits per pixel and in the value that is plotted.

    least: the lowest rate of a point, where a logarithmic axis begins.
    strays: points that the axes leave out since they are far from the rest of their curve.
    """

    rate: tuple[float, float]
    value: tuple[float, float]
    least: float
    strays: tuple[Place, ...]

    def holds(self, place: Place) -> bool:
        """Whether a point lies inside."""
        return self.rate[0] <= place.rate <= self.rate[1] and self.value[0] <= place.value <= self.value[1]


def places(curves: Sequence[Curve], metric: str) -> list[Place]:
    """Return the points of the curves that can be plotted, in their order."""
    return [
        Place(i, j, point.bpp, plotted(point.metrics[metric], metric))
        for i, curve in enumerate(curves)
        for j, point in enumerate(curve.points)
        if metric in point.metrics and math.isfinite(point.metrics[metric]) and 0 < point.bpp < math.inf
    ]


def view(curves: Sequence[Curve], metric: str) -> View | None:
    """Return the axes for the curves; None where no point has the metric.

    Published curves reach rates that nobody measured here: they do not widen the rates where anything was measured.
    """
    found = places(curves, metric)
    if not found:
        return None
    measured = [place for place in found if curves[place.curve].kind != "published"]
    far = {
        place
        for index in {place.curve for place in measured}
        for place in _far_off([place for place in measured if place.curve == index], metric)
    }
    near = [place for place in measured if place not in far] or found
    highest: dict[int, float] = {}
    for place in near:
        highest[place.curve] = max(place.rate, highest.get(place.curve, 0.0))
    last = _shared_rate(near, highest, {index: curves[index].kind for index in highest})
    inside = [place for place in found if place.rate <= last and place not in far]
    low, high = min(place.value for place in inside), max(place.value for place in inside)
    room = (high - low) * 0.06 or abs(high) * 0.05 or 1.0  # a single point lies in the middle
    shown = View((0.0, last), (low - room, high + room), min(place.rate for place in inside), ())
    return replace(shown, strays=tuple(place for place in found if place in far and not shown.holds(place)))


def _shared_rate(near: Sequence[Place], highest: Mapping[int, float], kinds: Mapping[int, str]) -> float:
    """Return the rate up to which at least two curves have points, and that codecs, if there are any, reach."""
    ranked = sorted(highest.values(), reverse=True)
    codecs = [rate for index, rate in highest.items() if kinds[index] == "codec"]
    last = 1.1 * min(max(codecs or ranked), ranked[min(1, len(ranked) - 1)])
    reaching = {place.curve for place in near if place.rate <= last}
    return last if len(reaching) >= min(2, len(ranked)) else 1.06 * ranked[0]


def _far_off(points: Sequence[Place], metric: str) -> set[Place]:
    if len(points) < FEWEST:
        return set()
    values = [place.value for place in points]
    # With each column the distance that is never far, where most points are alike.
    columns = [([math.log(place.rate) for place in points], 1.0)]
    described = known(metric)
    if described and not described.higher_is_better and min(values) > 0:  # a distance spans powers of ten
        columns.append(([math.log(value) for value in values], 1.0))
    else:
        columns.append((values, 0.25 * abs(median(values))))
    far = set()
    for column, least in columns:
        middle = median(column)
        reach = max(FAR * median(abs(value - middle) for value in column), least)
        far |= {place for place, value in zip(points, column, strict=True) if abs(value - middle) > reach}
    return far
