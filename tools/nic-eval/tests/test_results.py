import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nic_core.errors import NicError
from nic_eval.results import Curve, Measurement, Original, Point, Results, read, write


def results(file: str = "files/a.nic", decoded: str = "", original: str = "") -> Results:
    item = Measurement("a.png", 100, 0.5, {"psnr": 30.0}, 0.1, 0.2, 1, file, decoded)
    curve = Curve("mini", "codec", (Point("q", None, 0.5, {"psnr": 30.0}, (item,)),))
    return Results("d", (Original("a.png", 8, 8, original),), (curve,), versions={"python": "3"})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(results(), tmp_path / "results.json")
    assert read(tmp_path / "results.json") == results()


def test_what_is_not_finite_is_left_out(tmp_path: Path) -> None:
    curve = results().curves[0]
    endless = replace(curve.points[0], metrics={"psnr": 30.0, "fid": float("inf"), "kid": float("nan")})
    written = replace(results(), curves=(replace(curve, points=(endless,)),))
    write(written, tmp_path / "results.json")
    assert read(tmp_path / "results.json") == results()


@pytest.mark.parametrize("which", ["file", "decoded", "original"])
@pytest.mark.parametrize("outside", ["/etc/hostname", "../secret.png", "pictures/../../secret.png", "link/secret.png"])
def test_files_outside_the_folder_are_refused(which: str, outside: str, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    (folder / "link").symlink_to(tmp_path)
    write(results(**{which: outside}), folder / "results.json")
    with pytest.raises(NicError, match="which lies outside its folder") as caught:
        read(folder / "results.json")
    assert repr(outside) in str(caught.value)


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    write(results(decoded="link/a.webp"), tmp_path / "results.json")
    assert read(tmp_path / "results.json").curves[0].points[0].measurements[0].decoded == "link/a.webp"


def edited(change: Callable[[Any], Any]) -> str:
    record = {
        "format": 1,
        "data": "d",
        "pictures": [{"name": "a.png", "width": 8, "height": 8}],
        "curves": [
            {
                "name": "mini",
                "kind": "codec",
                "points": [
                    {
                        "label": "q",
                        "quality": None,
                        "bpp": 1,
                        "metrics": {},
                        "measurements": [
                            {
                                "picture": "a.png", "bytes": 1, "bpp": 1, "metrics": {},
                                "encode_s": 0, "decode_s": 0, "peak_memory": 0,
                            }
                        ],
                    }
                ],
            }
        ],
    }  # fmt: skip
    change(record)
    return json.dumps(record)


def point(record: Any) -> Any:
    return record["curves"][0]["points"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("curves"),
        lambda record: record.update(pictures=3),
        lambda record: record.update(notes="many"),
        lambda record: record.update(data="\ud800"),
        lambda record: record.update(format=2),
        lambda record: record["curves"].append([]),
        lambda record: record["curves"][0].update(kind="stranger"),
        lambda record: record["curves"][0].update(gmacs={"encode": "much"}),
        lambda record: point(record).update(bpp="1"),
        lambda record: point(record).update(bpp=0),
        lambda record: point(record).update(bpp=float("nan")),
        lambda record: point(record).update(bpp=10**400),
        lambda record: point(record).update(metrics=[30]),
        lambda record: point(record)["measurements"][0].update(picture="b.png"),
        lambda record: point(record)["measurements"][0].update(bpp=-1),
        lambda record: point(record)["measurements"][0].update(encode_s=float("inf")),
        lambda record: point(record)["measurements"][0].update(file="a\0b"),
    ],
)
def test_another_shape_is_one_line(change: Callable[[Any], Any], tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(edited(lambda record: None))
    read(tmp_path / "results.json")
    (tmp_path / "results.json").write_text(edited(change))
    with pytest.raises(NicError) as caught:
        read(tmp_path / "results.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"a":' * 100_000, "nul", '"\xff'])
def test_what_is_no_json_object_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(NicError) as caught:
        read(tmp_path / "results.json")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
