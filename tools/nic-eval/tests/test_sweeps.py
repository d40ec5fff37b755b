from collections.abc import Sequence
from pathlib import Path

import pytest
from nic_eval.curves import published
from nic_eval.curves.sweeps import Line, lines, plane, sweeps
from nic_eval.report.plots import plot_plane, write_plots
from nic_eval.results import Curve, Kind, Point, Results


def curve(name: str, fid: float, labels: Sequence[str] = ("quality 20", "quality 80"), kind: Kind = "codec") -> Curve:
    points = [
        Point(label, None, 0.1 + 0.1 * i, {"psnr": 25 + fid / 10 + i, "fid": fid - i, "ms-ssim": 0.99}, ())
        for i, label in enumerate(labels)
    ]
    return Curve(name, kind, tuple(points))


@pytest.fixture
def egic() -> list[Curve]:
    """Three realisms of one codec, out of order, and another codec."""
    names = (("egic@w.safetensors:realism=0.5", 30), ("egic@w.safetensors:realism=0", 50), ("mini", 40))
    return [
        *(curve(*pair) for pair in names),
        curve("egic@w.safetensors:realism=1", 10),
        curve("jpeg", 90, (), "baseline"),
    ]


def test_a_line_for_each_quality_of_a_realism_sweep(egic: list[Curve]) -> None:
    first, second = sweeps(egic)
    assert first == Line("egic@w.safetensors, quality 20, realism 0 to 1", ((1, 0), (0, 0), (3, 0)))
    assert second.points == ((1, 1), (0, 1), (3, 1))
    assert [line.name for line in lines(egic)] == [first.name, second.name, "mini", "jpeg"]
    assert plane(egic, first, "fid", "psnr") == [(50, 30), (30, 28), (10, 26)]
    assert plane(egic, first, "ms-ssim", "psnr")[0][0] == pytest.approx(20)  # in decibels, as everywhere
    assert plane(egic, first, "lpips", "psnr") == []


def test_only_one_option_may_differ() -> None:
    assert not sweeps([curve("egic:realism=0", 1), curve("taco:realism=1", 2)])
    assert not sweeps([curve("egic:realism=0,level=1", 1), curve("egic:realism=1,level=2", 2)])
    assert not sweeps([curve("egic:text=a", 1), curve("egic:text=b", 2)])
    assert not sweeps([curve("a:b:c=d=e,f", 1), curve("published:vtm", 2, kind="published")])
    assert not sweeps([curve("egic:realism=0", 1, ["one"]), curve("egic:realism=1", 2, ["other"])])
    assert not sweeps([curve("egic:realism=0", 1), curve("egic:realism=1 (estimated)", 2)])
    grid = [curve(f"egic:realism={a},level={b}", a + b) for a in (0, 1) for b in (1, 2)]
    assert [line.name for line in sweeps(grid)][:2] == [
        "egic:level=1, quality 20, realism 0 to 1",
        "egic:level=1, quality 80, realism 0 to 1",
    ]
    assert len(sweeps(grid)) == 8
    (line,) = sweeps([curve(f"egic:realism={a} (estimated)", 1, ["one"]) for a in (0, 1)])
    assert line.name == "egic (estimated), one, realism 0 to 1"


def test_planes_are_drawn_for_metrics_of_perception(egic: list[Curve], tmp_path: Path) -> None:
    curves = (*egic, published.curve("vtm"))
    written = [path.name for path in write_plots(Results("set", (), curves), tmp_path / "plots")]
    assert written == [
        f"{name}.{suffix}" for name in ("psnr", "ms-ssim", "fid", "psnr-over-fid") for suffix in ("svg", "png")
    ]
    text = (tmp_path / "plots" / "psnr-over-fid.svg").read_text()
    assert ">egic@w.safetensors, quality 20, realism 0 to 1<" in text and ">mini<" in text
    assert ">FID of 256-pixel patches, lower is better<" in text and ">PSNR (dB), higher is better<" in text
    axes = plot_plane(curves, "fid", "psnr", "set").axes[0]
    assert len(axes.lines) == 3  # two sweeps and mini: the others have no FID
    assert axes.lines[0].get_xydata().tolist() == [[50, 30], [30, 28], [10, 26]]
