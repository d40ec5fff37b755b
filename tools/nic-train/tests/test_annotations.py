"""Captions from every form in which they come, and the pictures that have what a recipe needs."""

import json

import pytest
from nic_core.errors import NicError
from nic_train.data import annotations
from nic_train.data.annotations import load_captions, with_annotations
from nic_train.data.labels.loading import load_labels
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
