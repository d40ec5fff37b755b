import math
from dataclasses import replace

import pytest
from nic_core.errors import BadOption
from nic_eval.curves import published
from nic_eval.curves.differences import decibels, default_anchors, difference, differences, doubt
from nic_eval.results import Curve, Measurement, Original, Point


def curve(name: str, rates: list[float], values: list[float], kind: str = "codec") -> Curve:
    points = [
        Point(str(i), None, rate, {"psnr": value}, ())
        for i, (rate, value) in enumerate(zip(rates, values, strict=True))
    ]
    return Curve(name, kind, tuple(points))


@pytest.mark.parametrize(
    ("name", "rate"), [("elic2022", -7.0), ("cca", -13.7), ("tbtc-swint-charm", 0.5), ("tcm-l", -11.7)]
)
def test_published_figures_against_vtm(name: str, rate: float) -> None:
    found = difference(published.curve(name), published.curve("published:vtm"), "psnr")
    assert found.rate is not None and round(found.rate, 1) == rate
    assert found.gain is not None and math.copysign(1, found.gain) == -math.copysign(1, rate)


def test_half_the_rate_is_minus_fifty_percent() -> None:
    anchor = curve("anchor", [0.1, 0.3, 0.6, 1.2], [26, 29, 32, 35])
    test = curve("test", [0.05, 0.15, 0.3, 0.6], [26, 29, 32, 35])
    found = difference(test, anchor, "psnr")
    assert found.rate == pytest.approx(-50)
    assert found.gain is not None and found.gain > 0


def test_none_where_nothing_can_be_compared() -> None:
    anchor = curve("anchor", [0.1, 0.3, 0.6], [26, 29, 32])
    apart = curve("apart", [3, 4, 5], [40, 41, 42])
    falling = curve("falling", [0.1, 0.3, 0.6], [26, 29, 28])
    single = curve("single", [0.3], [29])
    for other in (apart, falling, single):
        found = difference(other, anchor, "psnr")
        assert (found.rate, found.gain) == (None, None)


def test_every_curve_but_the_anchor_and_only_shared_metrics() -> None:
    curves = [published.curve(name) for name in ("vtm", "cca", "bpg-444")]
    found = differences(curves, ["published:vtm"])
    assert {(item.curve, item.metric) for item in found} == {
        ("published:cca", "psnr"),
        ("published:bpg-444", "psnr"),
        ("published:bpg-444", "ms-ssim"),
    }


def test_what_is_of_other_pictures_cannot_be_compared() -> None:
    kodak = [Original(f"kodim{i:02}.png", 768, 512) for i in range(1, 25)]
    holiday = [Original(name, 8, 8) for name in "ab"]

    def measured(name: str, *names: str) -> Curve:
        return Curve(name, "codec", (Point("1", 1, 0.5, {"psnr": 30.0}, tuple(item(name) for name in names)),))

    def item(name: str) -> Measurement:
        return Measurement(name, 1, 1.0, {}, 0, 0, 0)

    whole, part = measured("whole", "a", "b"), measured("part", "a")
    paper, vtm = published.curve("cca"), published.curve("vtm")
    assert doubt(whole, measured("other", "a", "b"), holiday) == doubt(paper, vtm, holiday) == ""
    assert doubt(whole, part, holiday) == "some points are means over other pictures"
    assert (
        doubt(whole, vtm, holiday)
        == doubt(vtm, whole, holiday)
        == "published for the 24 Kodak pictures, measured on others"
    )
    on_kodak = measured("kodak", *(picture.name for picture in kodak))
    assert doubt(on_kodak, vtm, kodak) == ""
    assert doubt(measured("23", *(picture.name for picture in kodak[1:])), vtm, kodak)
    assert [item.doubt for item in differences([whole, vtm], ["published:vtm"], holiday)] == [
        doubt(whole, vtm, holiday)
    ]


def test_what_a_published_curve_lacks_is_named() -> None:
    curves = [published.curve("vtm"), published.curve("cca")]
    notes = published.remarks(curves, [Original("a.png", 8, 8)], ["psnr", "ms-ssim", "lpips"])
    assert notes[1:] == [
        "published:vtm has no published lpips",
        "published:cca has no published ms-ssim or lpips",
    ]
    assert "other pictures" in notes[0]
    assert published.remarks([], [], ["psnr"]) == []


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(BadOption, match=r"'h264'.*published:vtm"):
        differences([published.curve("vtm")], ["h264"])
    with pytest.raises(BadOption, match=r"'h264'.*vtm, bpg-444.*cca"):
        published.curve("h264")


def test_default_anchor() -> None:
    ours, jpeg, webp = (
        curve("ours", [1], [30]),
        curve("jpeg", [1], [30], "baseline"),
        curve("webp", [1], [30], "baseline"),
    )
    assert default_anchors([ours, webp, jpeg]) == ["jpeg"]
    assert default_anchors([ours, webp]) == ["webp"]
    assert default_anchors([ours]) == []


def test_ms_ssim_in_decibels() -> None:
    assert decibels(0.99) == pytest.approx(20)
    assert decibels(1.0) == 100


def test_all_published_curves_rise_and_say_where_they_are_from() -> None:
    assert len(published.names()) == 30
    for name in published.names():
        found = published.curve(name)
        assert found.kind == "published" and found.source
        assert [point.bpp for point in found.points] == sorted(point.bpp for point in found.points)
        assert all(20 < point.metrics["psnr"] < 50 for point in found.points)


def test_published_for_other_sets_than_kodak() -> None:
    tecnick = [Original(f"{i}.png", 1200, 1200) for i in range(100)]
    clic = [Original(f"{i}.png", 2048, 1365) for i in range(41)]
    kodak = [Original(f"kodim{i:02}.png", 768, 512) for i in range(1, 25)]
    ours = curve("ours", [0.1, 0.3, 0.6], [32, 35, 38])
    for name, pictures in (("cca-clic", clic), ("cca-tecnick", tecnick)):
        paper = published.curve(name)
        assert "LabShuHangGU/CCA" in paper.source
        sets = [Curve("ours", "codec", tuple(replace(point, measurements=items(pictures)) for point in ours.points))]
        assert doubt(sets[0], paper, pictures) == ""
        assert doubt(sets[0], paper, kodak).startswith("published for the ")
        assert published.remarks([paper], pictures, ["psnr"]) == []
        assert "this report is of other pictures" in published.remarks([paper], kodak, ["psnr"])[0]
    assert doubt(published.curve("cca-clic"), published.curve("cca"), clic) == "published for other pictures"
    assert not published.SETS[1].holds(clic[:40]) and not published.SETS[2].holds(clic)


def items(pictures: list[Original]) -> tuple[Measurement, ...]:
    return tuple(Measurement(picture.name, 1, 1.0, {}, 0, 0, 0) for picture in pictures)


def test_figures_that_authors_print_in_a_table() -> None:
    (point,) = published.curve("tbtc-swint-charm-2m").points
    assert (point.bpp, point.metrics) == (0.37, {"psnr": 33.07})


def test_is_kodak() -> None:
    names = [f"kodim{i:02}.png" for i in range(1, 25)]
    assert published.is_kodak([Original(name, 768, 512) for name in names])
    assert not published.is_kodak([Original(name, 768, 512) for name in names[:23]])
    assert not published.is_kodak([Original(name, 384, 256) for name in names])


CLIC = [Original(f"{name}.png", 2048, 1365) for name in ("alberto-montalesi-176097", *map(str, range(39)), "zugr-108")]
TECNICK = [Original(f"{i}.png", 1200, 1200) for i in range(100)]


@pytest.mark.parametrize(("name", "pictures"), [("tcm-l-clic", CLIC), ("tcm-s-tecnick", TECNICK)])
def test_curves_of_other_pictures_are_compared_on_these(name: str, pictures: list[Original]) -> None:
    paper = published.curve(name)
    point = Point("1", 1, 0.5, {"psnr": 30.0}, tuple(Measurement(p.name, 1, 1.0, {}, 0, 0, 0) for p in pictures))
    ours, fewer = Curve("ours", "codec", (point,)), pictures[1:]
    title = published.set_of(paper).title
    assert title in paper.description
    assert doubt(ours, paper, pictures) == doubt(paper, ours, pictures) == ""
    assert published.remarks([ours, paper], pictures, ["psnr"]) == []
    assert doubt(ours, paper, fewer) == f"published for {title}, measured on others"
    assert doubt(paper, published.curve("tcm-m"), pictures) == "published for other pictures"
    notes = published.remarks([paper, published.curve("vtm")], fewer, ["psnr"])
    assert notes == [
        f"published:{name} are means over {title}; this report is of other pictures",
        "published:vtm are means over the 24 Kodak pictures; this report is of other pictures",
    ]
