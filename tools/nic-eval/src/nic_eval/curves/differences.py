"""Bjontegaard rate and quality differences between the curves of a report."""

import math
import warnings
from collections.abc import Iterable, Sequence

import bjontegaard
import numpy as np
from nic_core.errors import BadOption

from nic_eval.curves import published
from nic_eval.results import Curve, Difference, Original

METRICS = ("psnr", "ms-ssim")
"""What differences are computed from; MS-SSIM in decibels."""


def decibels(ms_ssim: float) -> float:
    """Return an MS-SSIM as -10 log10(1 - x), the form in which it is plotted; at most 100 dB."""
    return min(-10 * math.log10(max(1 - ms_ssim, 1e-10)), 100.0)


def plotted(value: float, metric: str) -> float:
    """Return a metric's value as plots show it: MS-SSIM in decibels, others as they are."""
    return decibels(value) if metric == "ms-ssim" else value


def series(curve: Curve, metric: str) -> tuple[list[float], list[float]]:
    """Return (bpp, value) of the points that have a metric, by rising bpp; MS-SSIM in decibels."""
    points = sorted((point for point in curve.points if metric in point.metrics), key=lambda point: point.bpp)
    return [point.bpp for point in points], [plotted(point.metrics[metric], metric) for point in points]


def difference(curve: Curve, anchor: Curve, metric: str, doubt: str = "") -> Difference:
    """Return the Bjontegaard figures of one metric (PCHIP over log10 of the rate, all points, any overlap).

    None where the curves do not overlap, have fewer than two points, or do not rise everywhere. doubt: why they cannot
    be compared, see `doubt`.
    """
    test, base = series(curve, metric), series(anchor, metric)
    if not (_rises(test) and _rises(base)):
        return Difference(curve.name, anchor.name, metric, None, None, doubt)
    settings = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is no overlap and returns NaN
        rate = bjontegaard.bd_rate(*base, *test, **settings)
        gain = bjontegaard.bd_psnr(*base, *test, **settings)
    return Difference(curve.name, anchor.name, metric, _finite(rate), _finite(gain), doubt)


def differences(
    curves: Iterable[Curve], anchors: Sequence[str], pictures: Sequence[Original] = ()
) -> tuple[Difference, ...]:
    """Return the figures of every curve against every anchor; BadOption for an anchor that is none of the curves.

    pictures: of the report, for what `doubt` says.
    """
    by_name = {curve.name: curve for curve in curves}
    for name in anchors:
        if name not in by_name:
            raise BadOption(f"no curve of the report is called {name!r}; there are {', '.join(by_name)}")
    return tuple(
        difference(curve, by_name[anchor], metric, doubt(curve, by_name[anchor], pictures))
        for anchor in anchors
        for metric in METRICS
        for curve in by_name.values()
        if curve.name != anchor and all(series(item, metric)[0] for item in (curve, by_name[anchor]))
    )


def doubt(curve: Curve, anchor: Curve, pictures: Sequence[Original]) -> str:
    """Return why two curves of a report cannot be compared, since they are of different pictures; empty if they can."""
    measured = [item for item in (curve, anchor) if item.kind != "published"]
    known = {published.pictures_of(item) for item in (curve, anchor) if item.kind == "published"}
    if len(known) > 1:
        return "published for other pictures"
    if measured and any(not each.holds(pictures) for each in known):
        return f"published for {known.pop().title}, measured on others"
    sets = {frozenset(item.picture for item in point.measurements) for item in measured for point in item.points}
    if len(measured) == 1:
        sets.add(frozenset(picture.name for picture in pictures))
    return "some points are means over other pictures" if len(sets) > 1 else ""


def default_anchors(curves: Sequence[Curve]) -> list[str]:
    """Return "jpeg" where it was measured, else the first baseline, else nothing."""
    baselines = [curve.name for curve in curves if curve.kind == "baseline" and curve.points]
    return ["jpeg"] if "jpeg" in baselines else baselines[:1]


def _rises(points: tuple[list[float], list[float]]) -> bool:
    return len(points[0]) > 1 and all(bool(np.all(np.diff(column) > 0)) for column in points)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
