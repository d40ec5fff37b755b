"""Bjontegaard rate differences of single pictures: a mean over a set may hide what a codec is bad at."""

from dataclasses import replace

from nic_eval.curves.differences import difference
from nic_eval.results import Curve


def rates_by_picture(curve: Curve, anchor: Curve, metric: str) -> list[tuple[str, float]]:
    """Return (picture, percent of rate that the curve needs more than the anchor), the worst first.

    Pictures are left out whose curves do not overlap or do not rise, as in `difference`.
    """
    names = dict.fromkeys(item.picture for point in curve.points for item in point.measurements)
    found = ((name, difference(_of(curve, name), _of(anchor, name), metric).rate) for name in names)
    return sorted(((name, rate) for name, rate in found if rate is not None), key=lambda pair: -pair[1])


def _of(curve: Curve, picture: str) -> Curve:
    """Return the curve of one picture."""
    points = tuple(
        replace(point, bpp=item.bpp, metrics=item.metrics, measurements=(item,))
        for point in curve.points
        for item in point.measurements
        if item.picture == picture
    )
    return replace(curve, points=points)
