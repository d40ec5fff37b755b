"""Tables: an option's value for each picture, from both layouts, and every way in which a file can be wrong."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from nic_core import EncodeOptions
from nic_core.errors import BadOption, NicError
from nic_core.host.tables import Names, Table, read_names, read_table
from nic_core.spec import CodecSpec, Option

SPEC = CodecSpec(
    "x",
    "nowhere:Codec",
    "Summary.",
    options=(
        Option("text", str, "", "Help.", table="captions"),
        Option("guidance-scale", float, 2.5, "Help.", minimum=0, table="guidance-table"),
    ),
)


def write(path: Path, content: Any) -> Path:
    """Write a JSON file and return its path."""
    path.write_text(json.dumps(content))
    return path


def test_a_picture_is_found_by_the_end_of_its_path() -> None:
    table = Table({"1.png": ("any",), "b/1.png": ("in b",), "/abs/2.png": ("absolute",)})
    assert table.of("1.png") == table.of("a/1.png") == table.of(Path("/x/a/1.png")) == ("any",)
    assert table.of("b/1.png") == table.of("./b/1.png") == table.of("/x/a/b/1.png") == ("in b",)
    assert table.of("/abs/2.png") == ("absolute",)
    assert table.of("2.png") == table.of("11.png") == table.of("1.png/3.png") == table.of("-") == ()


def test_captions_of_coco_come_by_rising_id(tmp_path: Path) -> None:
    content = {
        "info": {"year": 2014},
        "images": [{"id": 7, "file_name": "7.jpg"}, {"id": 8, "file_name": "8.jpg"}, {"id": 9, "file_name": "9.jpg"}],
        "annotations": [
            {"id": 3, "image_id": 7, "caption": "third"},
            {"id": 2, "image_id": 8, "caption": "second"},
            {"id": 1, "image_id": 7, "caption": "first"},
        ],
    }
    path = write(tmp_path / "coco.json", content)
    assert read_table(path).values == {"7.jpg": ("first", "third"), "8.jpg": ("second",)}
    assert EncodeOptions(SPEC, {"captions": path}).of("val/7.jpg")["text"] == "first"


def test_values_are_checked_as_the_option_does(tmp_path: Path) -> None:
    captions = write(tmp_path / "c.json", {"1.png": "one", "2.png": ["two", "zwei"], "3.png": "", "4.png": []})
    scales = write(tmp_path / "s.json", {"1.png": 3, "2.png": "0.5"})
    options = EncodeOptions(SPEC, {"captions": str(captions), "guidance-table": scales})
    assert options.of("1.png") == {"text": "one", "guidance_scale": 3.0}
    assert options.of("a/2.png") == {"text": "two", "guidance_scale": 0.5}
    mixed = EncodeOptions(SPEC, {"captions": captions, "guidance-scale": "1", "guidance_table": None})
    assert mixed.of("3.png") == {"text": "", "guidance_scale": 1.0}
    with pytest.raises(BadOption, match=r"c\.json has no text for a/4\.png$"):
        mixed.of("a/4.png")
    assert EncodeOptions(SPEC, {}).of("any.png") == {"text": "", "guidance_scale": 2.5}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("captions", {"1.png": "one", "2.png": 2}, r"t\.json, 2\.png: text must be of type str, not 2$"),
        ("captions", {"1.png": [None]}, r"t\.json, 1\.png: text must be of type str, not None$"),
        ("guidance-table", {"1.png": "much"}, r"1\.png: guidance-scale must be at least 0, not 'much'$"),
        ("guidance-table", {"1.png": -1}, r"1\.png: guidance-scale must be at least 0, not -1$"),
        ("guidance-table", {"1.png": True}, r"1\.png: guidance-scale must be at least 0, not True$"),
        (
            "captions",
            {"1.png": {"text": "one"}},
            r"t\.json holds no values by picture: they are {file: value}",
        ),
        ("captions", {"images": [], "annotations": [{"image_id": 1, "caption": ""}]}, "holds no values by picture"),
        ("captions", {"annotations": []}, "holds no values by picture"),
        ("captions", ["one"], r"t\.json holds no JSON object$"),
    ],
)
def test_other_contents_are_one_clear_error(tmp_path: Path, name: str, content: Any, says: str) -> None:
    with pytest.raises(NicError, match=says) as caught:
        EncodeOptions(SPEC, {name: write(tmp_path / "t.json", content)})
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"1.png": ')
    with pytest.raises(NicError, match=r"t\.json cannot be read as JSON \(Expecting value"):
        read_table(tmp_path / "t.json")
    (tmp_path / "t.json").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(NicError, match=r"t\.json cannot be read as JSON"):
        read_table(tmp_path / "t.json")
    with pytest.raises(NicError, match=r"cannot read .*absent\.json: No such file"):
        EncodeOptions(SPEC, {"captions": tmp_path / "absent.json"})


def test_an_option_excludes_its_table(tmp_path: Path) -> None:
    captions = write(tmp_path / "c.json", {"1.png": "one"})
    with pytest.raises(BadOption, match="give text or captions, not both"):
        EncodeOptions(SPEC, {"captions": captions, "text": "x"})
    assert EncodeOptions(SPEC, {"captions": captions, "text": None}).of("1.png")["text"] == "one"
    with pytest.raises(BadOption, match="x has no encode option 'caption'; it has captions, guidance-scale,"):
        EncodeOptions(SPEC, {"caption": captions})


def test_an_option_of_several_values_gets_all_of_them(tmp_path):
    several = Option("text", str, "", "", table="captions", several=True)
    spec = dataclasses.replace(SPEC, options=(several,))
    path = write(tmp_path / "t.json", {"1.png": ["one", "two"], "2.png": "three"})
    options = EncodeOptions(spec, {"captions": path})
    assert options.of("1.png")["text"] == ("one", "two")
    assert options.of("2.png")["text"] == "three"
    assert several.parse(["one", "two"]) == ("one", "two")
    with pytest.raises(BadOption, match="text must be of type str, not 3"):
        several.parse(("one", 3))
    with pytest.raises(BadOption):
        dataclasses.replace(several, several=False).parse(("one", "two"))


def test_lists_of_names(tmp_path):
    names = read_names(write(tmp_path / "n.json", ["COCO_val2014_1.jpg", "b/2.png"]))
    assert names == ("COCO_val2014_1.jpg", "b/2.png")
    listed = Names(names)
    assert "coco/val2014/COCO_val2014_1.jpg" in listed and Path("a/b/2.png") in listed
    assert "c/2.png" not in listed
    (tmp_path / "n.txt").write_text("a.png\n\n b.png \n")
    assert read_names(tmp_path / "n.txt") == ("a.png", "b.png")
    for content in ({"a": 1}, [1], []):
        with pytest.raises(NicError, match="is no list of pictures' names"):
            read_names(write(tmp_path / "n.json", content))
    with pytest.raises(NicError, match="cannot be read as a list"):
        read_names(tmp_path / "missing.txt")
