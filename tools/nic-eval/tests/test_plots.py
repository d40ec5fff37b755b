from pathlib import Path

import pytest
from nic_core.errors import NicError
from nic_eval.curves import published
from nic_eval.report import folder as report
from nic_eval.report.plots import write_plots
from nic_eval.results import Curve, Measurement, Original, Point, Results, as_compressai, read, write


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
    measured_only = write_plots(results(anchor=False), tmp_path / "without")
    assert "stroke-dasharray: 4" not in measured_only[0].read_text()


def test_plots_are_reproducible(tmp_path: Path) -> None:
    first, second = (write_plots(results(), tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_report_has_tables_and_curves(tmp_path: Path) -> None:
    report.write_report(results(), tmp_path)
    rows = (tmp_path / "results.csv").read_text().splitlines()
    assert rows[0].startswith("curve,kind,point,quality,picture,width,height,bytes,bpp,psnr,encode_s")
    assert len(rows) == 1 + 4 and rows[1].startswith("ours,codec,quality 0,0,a.png,64,64,1000,0.2,30.0,0.1,0.2")
    assert len((tmp_path / "points.csv").read_text().splitlines()) == 1 + 4 + 8
    assert {path.name for path in (tmp_path / "curves").iterdir()} == {"ours.json", "published+vtm.json"}
    assert (tmp_path / "report.html").exists()
    assert read(tmp_path / "results.json") == results()


def test_compressai_reads_results_and_curves(tmp_path: Path) -> None:
    tool = pytest.importorskip("compressai.utils.plot.__main__")
    report.write_report(results(), tmp_path)
    for path in (tmp_path / "results.json", tmp_path / "curves" / "ours.json"):
        found = tool.parse_json_file(str(path), "psnr")
        assert found["name"] == "ours" and found["xs"] == [0.2, 0.5, 1.0, 2.0] and found["ys"] == [30, 33, 36, 39]
        assert tool.parse_json_file(str(path), "ms-ssim")["ys"][0] == pytest.approx(10)
    vtm = tool.parse_json_file(str(tmp_path / "curves" / "published+vtm.json"), "psnr")
    assert vtm["ys"] == as_compressai(published.curve("vtm"))["results"]["psnr-rgb"]


def test_merging_reports(tmp_path: Path) -> None:
    for name, part in (("one", results()), ("two", results(psnr=31)), ("three", results())):
        (tmp_path / name).mkdir()
        write(part, tmp_path / name / "results.json")
    files = [tmp_path / name / "results.json" for name in ("one", "two", "three")]
    merged = report.merge(files, tmp_path / "all", ["ours"], ["cca"])
    assert [curve.name for curve in merged.curves] == ["ours", "published:vtm", "ours (two)", "published:cca"]
    assert merged.curves[2].points[0].measurements[0].file == "../two/files/0.nic"
    assert merged.pictures[0].file == "../one/pictures/a.webp"
    gains = {item.curve: item.gain for item in merged.differences if item.metric == "psnr"}
    assert gains["ours (two)"] == pytest.approx(1)


def test_reports_of_other_pictures_are_not_merged(tmp_path: Path) -> None:
    other = Results("x", (Original("b.png", 64, 64),), results().curves)
    for name, part in (("one", results()), ("two", other)):
        (tmp_path / name).mkdir()
        write(part, tmp_path / name / "results.json")
    with pytest.raises(NicError, match="other pictures"):
        report.merge([tmp_path / name / "results.json" for name in ("one", "two")], tmp_path, [], [])
