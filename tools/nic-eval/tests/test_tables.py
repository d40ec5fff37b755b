from nic_eval.report.tables import summary
from nic_eval.results import Curve, Difference, Measurement, Point, Results


def test_the_summary_breaks_no_name_and_marks_what_cannot_be_compared() -> None:
    name = f"mini@/data/{'long/' * 40}weights.safetensors"
    items = tuple(Measurement(f"{i}.png", 9, 0.5, {}, seconds, 0.25, 0) for i, seconds in enumerate((0.5, 1.5, 40.0)))
    curve = Curve(name, "codec", (Point("quality 50", 50, 0.5, {"psnr": 30.0}, items),))
    found = (
        Difference(name, "jpeg", "psnr", -12.34, 1.0),
        Difference(name, "published:vtm", "psnr", 12.34, -1.0, "published for other pictures"),
    )
    lines = summary(Results("d", (), (curve,), found)).splitlines()
    assert lines[0].startswith(f"| {name} | bpp   | psnr  |")
    assert {len(line) for line in lines[:3]} == {len(lines[0])}
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["quality 50", "0.500", "30.00", "1.50", "0.25"]
    assert lines[3:] == [
        "",
        "Times are medians over the pictures, without start-up.",
        "",
        f"{name}: BD-rate -12.3 % against jpeg (PSNR)",
        f"{name}: BD-rate +12.3 % against published:vtm (PSNR); not comparable: published for other pictures",
    ]
