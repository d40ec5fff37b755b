"""Bjontegaard rate and quality differences between the curves of a report."""

import math
import warnings
from collections.abc import Iterable, Sequence

import bjontegaard
import numpy as np
from nic_core.errors import BadOption

from nic_eval.results import Curve, Difference

METRICS = ("psnr", "ms-ssim")
"""What differences are computed from; MS-SSIM in decibels."""


def decibels(ms_ssim: float) -> float:
    """Return an MS-SSIM as -10 log10(1 - x), the form in which it is plotted; at most 100 dB."""
    return min(-10 * math.log10(max(1 - ms_ssim, 1e-10)), 100.0)


def series(curve: Curve, metric: str) -> tuple[list[float], list[float]]:
    """Return (bpp, value) of the points that have a metric, by rising bpp; MS-SSIM in decibels."""
    points = sorted((point for point in curve.points if metric in point.metrics), key=lambda point: point.bpp)
    values = [point.metrics[metric] for point in points]
    return [point.bpp for point in points], [decibels(x) for x in values] if metric == "ms-ssim" else values


def difference(curve: Curve, anchor: Curve, metric: str) -> Difference:
    """Return the Bjontegaard figures of one metric (PCHIP over log10 of the rate, all points, any overlap).

    None where the curves do not overlap, have fewer than two points, or do not rise everywhere.
    """
    test, base = series(curve, metric), series(anchor, metric)
    if not (_rises(test) and _rises(base)):
        return Difference(curve.name, anchor.name, metric, None, None)
    settings = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is no overlap and returns NaN
        rate = bjontegaard.bd_rate(*base, *test, **settings)
        gain = bjontegaard.bd_psnr(*base, *test, **settings)
    return Difference(curve.name, anchor.name, metric, _finite(rate), _finite(gain))


def differences(curves: Iterable[Curve], anchors: Sequence[str]) -> tuple[Difference, ...]:
    """Return the figures of every curve against every anchor; BadOption for an anchor that is none of the curves."""
    by_name = {curve.name: curve for curve in curves}
    for name in anchors:
        if name not in by_name:
            raise BadOption(f"no curve of the report is called {name!r}; there are {', '.join(by_name)}")
    return tuple(
        difference(curve, by_name[anchor], metric)
        for anchor in anchors
        for metric in METRICS
        for curve in by_name.values()
        if curve.name != anchor and all(series(item, metric)[0] for item in (curve, by_name[anchor]))
    )


def default_anchors(curves: Sequence[Curve]) -> list[str]:
    """Return "jpeg" where it was measured, else the first baseline, else nothing."""
    baselines = [curve.name for curve in curves if curve.kind == "baseline" and curve.points]
    return ["jpeg"] if "jpeg" in baselines else baselines[:1]


def _rises(points: tuple[list[float], list[float]]) -> bool:
    return len(points[0]) > 1 and all(bool(np.all(np.diff(column) > 0)) for column in points)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
