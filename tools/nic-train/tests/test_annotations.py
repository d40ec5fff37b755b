"""Captions from every form in which they come, and the pictures that have what a recipe needs."""

import json

import pytest
from nic_core.errors import NicError
from nic_train.data import annotations
from nic_train.data.annotations import load_captions, paired_captions, with_annotations
from nic_train.data.labels.loading import load_labels
from nic_train.data.loader import open_source
from nic_train.data.pictures import scan
from PIL import Image


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


def test_captions_by_file(tmp_path):
    content = {"1.png": "one", "deep/2.png": ["two", " zwei ", ""], "3.png": ""}
    captions = load_captions(write_json(tmp_path / "c.json", content))
    assert captions.of("any/1.png") == ("one",)
    assert captions.of("deep/2.png") == ("two", "zwei")
    assert captions.of("3.png") == ("",)
    assert captions.of("other/2.png") == ()


def test_captions_of_coco(tmp_path):
    content = {
        "images": [{"id": 7, "file_name": "7.jpg"}, {"id": 8, "file_name": "8.jpg"}],
        "annotations": [{"image_id": 7, "caption": "first"}, {"image_id": 7, "caption": "second"}],
    }
    captions = load_captions(write_json(tmp_path / "c.json", content))
    assert captions.of("val2017/7.jpg") == ("first", "second")
    assert captions.of("val2017/8.jpg") == ()


@pytest.mark.parametrize("content", [[1], {"a.png": 3}, {"annotations": [{"image_id": 1}], "images": []}])
def test_other_json_is_one_clear_error(content, tmp_path):
    with pytest.raises(NicError, match=r"c\.json holds n"):
        load_captions(write_json(tmp_path / "c.json", content))
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(NicError, match="cannot be read as JSON"):
        load_captions(tmp_path / "c.json")


def test_pictures_without_annotations_are_counted_and_named_once(tmp_path, make_pictures, caplog):
    pictures = scan(make_pictures(tmp_path / "pictures", 5), 1)  # of 96 x 80
    captions = load_captions(write_json(tmp_path / "c.json", {f"{i}.png": "text" for i in (0, 1, 2, 3)}))
    (tmp_path / "labels").mkdir()
    for name, size in {"0": (96, 80), "1": (48, 40), "2": (80, 96), "4": (96, 80)}.items():
        Image.new("L", size).save(tmp_path / "labels" / f"{name}.png")
    labels = load_labels([tmp_path / "labels"])

    assert with_annotations(pictures, captions, labels).names == ("0.png", "1.png")
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("3 of 5 pictures left out, without the caption or label map")
    assert caplog.messages[0].endswith(": 2.png, 3.png, 4.png")
    with pytest.raises(NicError, match="none of the 5 pictures has a caption"):
        with_annotations(pictures, annotations.Captions({}), None)


def test_captions_of_two_lists(tmp_path):
    """As the authors of TACO keep them: names, some several times, and a caption for each."""
    names = write_json(tmp_path / "names.json", ["1.png", "2.png", "1.png"])
    texts = write_json(tmp_path / "texts.json", ["one", "two", " another "])
    captions = paired_captions(names, texts)
    assert captions.of("train2014/1.png") == ("one", "another")
    assert captions.of("2.png") == ("two",)
    for other, message in ((["one"], "3 names, and .* 1 captions"), ({"a": 1}, "no JSON list"), ([1, 2, 3], "no JSON")):
        with pytest.raises(NicError, match=message):
            paired_captions(names, write_json(tmp_path / "texts.json", other))


def test_captions_by_ofa(tmp_path):
    """{file: text}, of Kodak and CLIC."""
    content = {"kodim01.png": "a brick building with red doors", "5064e69f.png": "an orange truck"}
    captions = load_captions(write_json(tmp_path / "kodak_ofa.json", content))
    assert captions.of("kodak/kodim01.png") == ("a brick building with red doors",)


def test_the_loader_takes_lists(tmp_path, make_pictures, caplog):
    folder = make_pictures(tmp_path / "pictures", 4)
    names = write_json(tmp_path / "names.json", ["0.png", "2.png", "3.png", "9.png"])
    texts = write_json(tmp_path / "texts.json", ["zero", "two", "three", "nine"])
    source = open_source(str(folder), 16, f"{names},{texts}", needs=frozenset({"text"}), files=str(names))
    assert source.pictures.names == ("0.png", "2.png", "3.png")
    assert caplog.messages == [f"1 names in {names} are no pictures below {folder}"]
    lines = tmp_path / "names.txt"
    lines.write_text("pictures/1.png\n\n3.png\n")
    assert open_source(str(folder), 16, files=str(lines)).pictures.names == ("1.png", "3.png")
    with pytest.raises(NicError, match="names none of the 4 pictures"):
        open_source(str(folder), 16, files=str(write_json(tmp_path / "other.json", ["x.png"])))
    with pytest.raises(NicError, match=r"NAMES\.json,TEXTS\.json"):
        open_source(str(folder), 16, "a,b,c", needs=frozenset({"text"}))
