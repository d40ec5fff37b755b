from pathlib import Path

import numpy as np
import pytest
from nic_core.errors import BadOption, NicError
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_eval.report.merge import merge
from nic_eval.results import Curve, Measurement, Original, Point, Results, read, write


def results(psnr: float = 30.0, name: str = "ours") -> Results:
    points = tuple(
        Point(
            f"quality {i}",
            i,
            rate,
            {"psnr": psnr + 3 * i},
            (Measurement("a.png", 9, rate, {}, 0.1, 0.2, 1, f"files/{i}.nic", "pictures/b.webp" if i == 1 else ""),),
        )
        for i, rate in enumerate((0.2, 0.5, 1.0))
    )
    return Results("some", (Original("a.png", 8, 8, "pictures/a.webp"),), (Curve(name, "codec", points),))


def store(folder: Path, report: Results, value: int = 0) -> Path:
    (folder / "pictures").mkdir(parents=True)
    for i, name in enumerate(("a.webp", "b.webp")):
        image_files.write(Picture(np.full((8, 8, 3), value + i, np.uint8)), folder / "pictures" / name)
    write(report, folder / "results.json")
    return folder / "results.json"


def test_merging_reports(tmp_path: Path) -> None:
    parts = (("one", results()), ("two", results(psnr=31)), ("three", results()))
    files = [store(tmp_path / name, part, 10 * i) for i, (name, part) in enumerate(parts)]
    merged = merge(files, tmp_path / "all", ["ours"], ["cca"])
    assert [curve.name for curve in merged.curves] == ["ours", "ours (two)", "published:cca"]
    gains = {item.curve: item.gain for item in merged.differences if item.metric == "psnr"}
    assert gains["ours (two)"] == pytest.approx(1)
    assert "published curves are means over the 24 Kodak pictures; this report is of other pictures" in merged.notes


def test_a_merged_report_is_whole_without_the_others(tmp_path: Path) -> None:
    files = [store(tmp_path / "one", results()), store(tmp_path / "two", results(psnr=31), 10)]
    merged = merge(files, tmp_path / "all", [], [])
    for name, value in (
        (merged.pictures[0].file, 0),
        (merged.curves[0].points[1].measurements[0].decoded, 1),
        (merged.curves[1].points[1].measurements[0].decoded, 11),
    ):
        assert (image_files.read(tmp_path / "all" / name).pixels == value).all()
    assert merged.curves[0].points[0].measurements[0].file == ""
    write(merged, tmp_path / "all" / "results.json")
    assert read(tmp_path / "all" / "results.json") == merged


def test_a_report_made_anew_in_its_folder_keeps_its_files(tmp_path: Path) -> None:
    path = store(tmp_path / "one", results())
    again = merge([path], tmp_path / "one", [], [])
    assert again.curves == read(path).curves and again.pictures == read(path).pictures
    assert len(list((tmp_path / "one" / "pictures").iterdir())) == 2


def test_nothing_is_copied_for_a_mistake(tmp_path: Path) -> None:
    files = [store(tmp_path / "one", results())]
    other = Results("x", (Original("b.png", 64, 64),), ())
    with pytest.raises(NicError, match="other pictures"):
        merge([*files, store(tmp_path / "two", other)], tmp_path / "all", [], [])
    with pytest.raises(BadOption, match="h264"):
        merge(files, tmp_path / "all", ["published:h264"], [])
    with pytest.raises(BadOption, match="nobody"):
        merge(files, tmp_path / "all", ["nobody"], [])
    assert not (tmp_path / "all").exists()
