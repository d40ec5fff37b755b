from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from nic_eval.curves import published
from nic_eval.curves.ranges import view
from nic_eval.report import folder as report
from nic_eval.report.plots import plot, write_plots
from nic_eval.results import Curve, Measurement, Original, Point, Results, as_compressai, read


def results(name: str = "ours", psnr: float = 30.0, anchor: bool = True) -> Results:
    points = tuple(
        Point(
            f"quality {i}",
            i,
            rate,
            {"psnr": psnr + 3 * i, "ms-ssim": 0.9 + 0.02 * i},
            (Measurement("a.png", 1000, rate, {"psnr": psnr + 3 * i}, 0.1, 0.2, 1 << 20, f"files/{i}.nic"),),
        )
        for i, rate in enumerate((0.2, 0.5, 1.0, 2.0))
    )
    curves = (Curve(name, "codec", points), *((published.curve("vtm"),) if anchor else ()))
    return Results("some & pictures", (Original("a.png", 64, 64, "pictures/a.webp"),), curves)


def test_a_plot_of_each_metric_as_svg_and_png(tmp_path: Path) -> None:
    written = write_plots(results(), tmp_path / "plots")
    assert [path.name for path in written] == ["psnr.svg", "psnr.png", "ms-ssim.svg", "ms-ssim.png"]
    svg = (tmp_path / "plots" / "psnr.svg").read_text()
    assert "stroke-dasharray" in svg and ">published:vtm<" in svg
    assert (tmp_path / "plots" / "psnr.png").read_bytes().startswith(b"\x89PNG")


def test_plots_are_reproducible(tmp_path: Path) -> None:
    paper = Results("paper", (), (published.curve("cca"),))  # with one metric
    first, second = (write_plots(paper, tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_plots_have_the_axes_of_the_page() -> None:
    curves = results().curves
    axes = plot(curves, "psnr", "t").axes[0]
    shown = view(curves, "psnr")
    assert shown is not None and (axes.get_xlim(), axes.get_ylim()) == (shown.rate, shown.value)
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--"]


def test_a_bad_point_is_marked_at_the_border_and_named() -> None:
    good = results().curves[0]
    bad = Point("quality 9", 9, 0.6, {"psnr": 2.0}, ())
    axes = plot([Curve("ours", "codec", (*good.points, bad))], "psnr", "t").axes[0]
    assert axes.get_ylim()[0] > 25
    assert [text.get_text() for text in axes.texts] == ["outside: ours, quality 9: 0.6 bpp, 2"]
    assert axes.lines[1].get_xydata().tolist() == [[0.6, axes.get_ylim()[0]]]


def test_names_with_dollars_and_control_characters_are_plain_text(tmp_path: Path) -> None:
    odd = Curve("a$\\frac{$ \x1b[31m </svg>", "codec", results().curves[0].points)
    text = write_plots(Results("$x^", (), (odd,)), tmp_path)[0].read_text()
    assert "a$\\frac{$ \ufffd[31m &lt;/svg&gt;" in text and "\x1b" not in text


def test_a_report_has_tables_and_curves(tmp_path: Path) -> None:
    report.write_report(results(), tmp_path)
    rows = (tmp_path / "results.csv").read_text().splitlines()
    assert rows[0].startswith("curve,kind,point,quality,picture,width,height,bytes,bpp,psnr,encode_s")
    assert len(rows) == 1 + 4 and rows[1].startswith("ours,codec,quality 0,0,a.png,64,64,1000,0.2,30.0,0.1,0.2")
    assert len((tmp_path / "points.csv").read_text().splitlines()) == 1 + 4 + 8
    assert {path.name for path in (tmp_path / "curves").iterdir()} == {"ours.json", "published+vtm.json"}
    assert (tmp_path / "report.html").exists()
    assert read(tmp_path / "results.json") == results()


def plot_tool() -> ModuleType:
    """CompressAI's plot tool, alone: all of CompressAI takes long to import."""
    package = find_spec("compressai")
    if package is None or package.origin is None:
        pytest.skip("needs compressai")
    spec = spec_from_file_location("plot_tool", Path(package.origin).parent / "utils" / "plot" / "__main__.py")
    assert spec is not None and spec.loader is not None
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_compressai_reads_results_and_curves(tmp_path: Path) -> None:
    tool = plot_tool()
    report.write_report(results(), tmp_path)
    for path in (tmp_path / "results.json", tmp_path / "curves" / "ours.json"):
        found = tool.parse_json_file(str(path), "psnr")
        assert found["name"] == "ours" and found["xs"] == [0.2, 0.5, 1.0, 2.0] and found["ys"] == [30, 33, 36, 39]
        assert tool.parse_json_file(str(path), "ms-ssim")["ys"][0] == pytest.approx(10)
    vtm = tool.parse_json_file(str(tmp_path / "curves" / "published+vtm.json"), "psnr")
    assert vtm["ys"] == as_compressai(published.curve("vtm"))["results"]["psnr-rgb"]
