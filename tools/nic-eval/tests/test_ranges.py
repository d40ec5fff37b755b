from collections.abc import Sequence

import pytest
from nic_eval.curves.ranges import view
from nic_eval.results import Curve, Kind, Point

RATES = (0.15, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1.0)
PSNR = (26.0, 26.7, 28.0, 29.3, 30.5, 31.6, 32.4, 33.0)


def curve(
    name: str,
    rates: Sequence[float] = RATES,
    values: Sequence[float] = PSNR,
    kind: Kind = "codec",
    metric: str = "psnr",
) -> Curve:
    pairs = zip(rates, values, strict=True)
    return Curve(
        name, kind, tuple(Point(f"{i}", i, rate, {metric: value}, ()) for i, (rate, value) in enumerate(pairs))
    )


def test_the_first_view_is_of_rates_that_can_be_compared() -> None:
    mini = curve("mini")
    jpeg = curve("jpeg", (0.2, 0.6, 1.2, 3.0), (23, 28, 31, 38), "baseline")
    webp = curve("webp", (0.3, 0.9, 1.8, 2.6), (27, 32, 37, 40), "baseline")
    vtm = curve("published:vtm", (0.05, 0.5, 3.6), (26, 34, 46), "published")
    shown = view([mini, jpeg, webp, vtm], "psnr")
    assert shown is not None and shown.rate == (0.0, pytest.approx(1.1))
    assert shown.value[0] < 23 and 34 < shown.value[1] < 35  # what lies at higher rates is not in it
    assert not shown.strays


def test_codecs_that_share_no_rates_are_all_shown() -> None:
    sketch = curve("sketch", (0.01, 0.02), (12, 13))
    shown = view([sketch, curve("jpeg", (0.2, 3.0), (23, 38), "baseline")], "psnr")
    assert shown is not None and shown.rate[1] > 3


def test_a_single_point_lies_in_the_middle() -> None:
    shown = view([curve("one", (0.5,), (30,))], "psnr")
    assert shown is not None and sum(shown.value) / 2 == 30 and shown.rate[1] > 0.5


@pytest.mark.parametrize("bad", [(0.5, 3.0), (0.5, 1e6), (30.0, 30.0), (1e-5, 30.0)])
def test_one_bad_point_does_not_squash_the_axes(bad: tuple[float, float]) -> None:
    good = view([curve("mini")], "psnr")
    mini = curve("mini", (*RATES, bad[0]), (*PSNR, bad[1]))
    shown = view([mini], "psnr")
    assert good is not None and shown is not None
    assert shown.value == good.value
    assert shown.rate == (0.0, pytest.approx(1.1))
    expected = [] if bad[0] == 1e-5 else [(8, *bad)]  # which lies at the axis' beginning anyway
    assert [(place.point, place.rate, place.value) for place in shown.strays] == expected


def test_a_whole_curve_that_is_far_off_is_no_mistake() -> None:
    shown = view([curve("mini"), curve("sketch", RATES, [value - 16 for value in PSNR])], "psnr")
    assert shown is not None and shown.value[0] < 10 and not shown.strays


def test_distances_span_powers_of_ten() -> None:
    fid = (200, 100, 50, 20, 10, 5, 3, 2)
    shown = view([curve("mini", RATES, fid, metric="fid")], "fid")
    assert shown is not None and not shown.strays
    shown = view([curve("mini", RATES, (*fid[:-1], 1e9), metric="fid")], "fid")
    assert shown is not None and len(shown.strays) == 1


def test_lossless_points_and_infinite_figures() -> None:
    equal = curve("mini", RATES, (0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 1.0), metric="ms-ssim")
    shown = view([equal], "ms-ssim")
    assert shown is not None and shown.value[1] < 20 and len(shown.strays) == 1
    assert view([curve("mini", (0.5,), (float("inf"),))], "psnr") is None
    assert view([curve("mini")], "lpips") is None
