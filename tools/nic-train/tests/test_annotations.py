"""Captions and label maps from every form in which they come."""

import json

import numpy as np
import pytest
from nic_core.errors import BadPicture, NicError
from nic_train import annotations
from nic_train.annotations import load_captions, load_labels, with_annotations
from nic_train.pictures import scan
from PIL import Image


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


def test_captions_by_file(tmp_path):
    captions = load_captions(write_json(tmp_path / "c.json", {"1.png": "one", "deep/2.png": ["two", " zwei ", ""]}))
    assert captions.of("any/1.png") == ("one",)
    assert captions.of("deep/2.png") == ("two", "zwei")
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


def test_label_maps_in_a_folder(tmp_path):
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for name in ("a/one", "a/two", "b/two"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    palette = Image.fromarray(values, "P")
    palette.putpalette(list(range(36)))
    palette.save(tmp_path / "palette.png")
    Image.fromarray(values.astype(np.uint16) * 100).save(tmp_path / "deep.png")
    Image.new("RGB", (4, 3)).save(tmp_path / "colour.png")
    (tmp_path / "broken.png").write_bytes(b"no")

    labels = load_labels([tmp_path])
    assert labels.size("one.jpg") == labels.size("a/two.jpg") == (4, 3)
    assert labels.size("two.jpg") is None  # there are two
    assert labels.size("broken.jpg") is labels.size("three.jpg") is None
    assert np.array_equal(labels.read("one.jpg"), values)
    assert np.array_equal(labels.read("sub/palette.jpg"), values)
    assert labels.read("deep.jpg").max() == 1100
    with pytest.raises(BadPicture, match=r"colour\.png: a label map has one channel, not 3"):
        labels.read("colour.jpg")

    before = labels.fingerprint()
    (tmp_path / "broken.png").write_bytes(b"not")
    assert load_labels([tmp_path]).fingerprint() != before


def test_label_maps_of_coco(tmp_path):
    mask = pytest.importorskip("pycocotools.mask")
    image = {"id": 1, "file_name": "1.jpg", "width": 6, "height": 4}
    corner = np.zeros((4, 6), np.uint8, order="F")
    corner[0, 0] = 1
    runs = mask.encode(corner)
    compressed = {**runs, "counts": runs["counts"].decode()}
    stuff = {
        "images": [image, {**image, "id": 2, "file_name": "2.jpg"}],
        "annotations": [
            {"image_id": 1, "category_id": 3, "area": 1, "segmentation": compressed},
            {"image_id": 1, "category_id": 100, "area": 12, "segmentation": {"size": [4, 6], "counts": [0, 12, 12]}},
        ],
    }
    square = [[3, 1, 5, 1, 5, 3, 3, 3]]
    things = {
        "images": [image],
        "annotations": [{"image_id": 1, "category_id": 300, "area": 4, "segmentation": square}],
    }
    expected = np.zeros((4, 6), np.uint16)
    expected[:, :3], expected[0, 0] = 100, 3  # the larger area first, whatever the order in the file
    paths = [write_json(tmp_path / "stuff.json", stuff), write_json(tmp_path / "things.json", things)]
    first = load_labels(paths[:1])
    assert np.array_equal(first.read("val/1.jpg"), expected)
    assert first.read("1.jpg").dtype == np.uint8
    expected[1:3, 3:5] = 300
    both = load_labels(paths)
    assert np.array_equal(both.read("1.jpg"), expected)
    assert both.size("1.jpg") == (6, 4)
    assert both.size("2.jpg") is None
    assert both.fingerprint() != first.fingerprint()
    with pytest.raises(NicError, match=r"things\.json holds no label maps"):
        load_labels([write_json(tmp_path / "things.json", {"1.jpg": "text"})])


def test_missing_pycocotools_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(annotations, "find_spec", lambda name: None)
    with pytest.raises(NicError, match=r"nic-train\[coco\]"):
        load_labels([tmp_path / "stuff.json"])
    with pytest.raises(NicError, match="folder of PNG files, or COCO's JSON"):
        load_labels([tmp_path / "labels.txt"])


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
