from nic_eval.curves.by_picture import rates_by_picture
from nic_eval.report.tables import summary
from nic_eval.results import Curve, Difference, Kind, Measurement, Point, Results


def curve(name: str, kind: Kind, bits: dict[str, float]) -> Curve:
    """Return a curve of two points whose pictures need so many bits a pixel at 30 dB, and twice as many at 36."""
    points = []
    for times, psnr in ((1, 30.0), (2, 36.0)):
        items = [Measurement(picture, 9, times * bpp, {"psnr": psnr}, 0.5, 0.25, 0) for picture, bpp in bits.items()]
        mean = sum(item.bpp for item in items) / len(items)
        points.append(Point(f"{psnr} dB", psnr, mean, {"psnr": psnr}, tuple(items)))
    return Curve(name, kind, tuple(points))


def cells(line: str) -> list[str]:
    """Return a row's cells."""
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_the_summary_breaks_no_name_and_marks_what_cannot_be_compared() -> None:
    name = f"mini@/data/{'long/' * 40}weights.safetensors"
    items = tuple(Measurement(f"{i}.png", 9, 0.5, {}, seconds, 0.25, 0) for i, seconds in enumerate((0.5, 1.5, 40.0)))
    ours = Curve(name, "codec", (Point("quality 50", 50, 0.5, {"psnr": 30.0}, items),))
    found = (
        Difference(name, "jpeg", "psnr", -12.34, 1.0),
        Difference(name, "published:vtm", "psnr", 12.34, -1.0, "published for other pictures"),
    )
    anchors = (Curve("jpeg", "baseline", ()), Curve("published:vtm", "published", ()))
    lines = summary(Results("d", (), (ours, *anchors), found)).splitlines()
    assert lines[0].startswith(f"| {name} | bpp   | psnr  |")
    assert {len(line) for line in lines[:3]} == {len(lines[0])}
    assert cells(lines[2]) == ["quality 50", "0.500", "30.00", "1.50", "0.25"]
    assert lines[3:6] == ["", "Times are medians over the pictures, without start-up.", ""]
    assert cells(lines[6]) == ["against jpeg", "BD-rate, psnr", "BD-rate, ms-ssim", "encode (s)", "decode (s)"]
    assert cells(lines[8]) == [name, "-12.3 %", "", "1.50", "0.25"]
    assert cells(lines[12]) == [name, "+12.3 %", "", "1.50", "0.25"]
    assert lines[14] == f"{name}: not comparable: published for other pictures"


def test_the_worst_pictures_are_named() -> None:
    base = curve("jpeg", "baseline", dict.fromkeys("abcd", 1.0))
    ours = curve("mini", "codec", {"a": 0.5, "b": 0.9, "c": 0.7, "d": 1.2})
    assert [(name, round(rate)) for name, rate in rates_by_picture(ours, base, "psnr")] == [
        ("d", 20),
        ("b", -10),
        ("c", -30),
        ("a", -50),
    ]
    found = (Difference("mini", "jpeg", "psnr", -17.5, 1.0),)
    text = summary(Results("d", (), (ours, base), found))
    assert "mini: worst pictures (PSNR): d +20.0 %, b -10.0 %, c -30.0 %\n" in text


def test_pictures_that_one_of_two_curves_lacks_are_left_out() -> None:
    base = curve("jpeg", "baseline", {"a": 1.0})
    ours = curve("mini", "codec", {"a": 0.5, "b": 0.9})
    assert [name for name, _ in rates_by_picture(ours, base, "psnr")] == ["a"]
