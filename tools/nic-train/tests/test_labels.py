"""Label maps from every form in which they come, and the class list that comes with them."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from nic_core import cli
from nic_core.errors import BadPicture, NicError
from nic_core.spec import RecipeSpec
from nic_core.weights import read_info
from nic_mini.config import MiniConfig
from nic_mini.model import Mini
from nic_mini.recipe import MiniRecipe
from nic_nn.training.recipe import Networks
from nic_train import recipes
from nic_train.data.annotations import with_annotations
from nic_train.data.labels import coco
from nic_train.data.labels.loading import load_labels
from nic_train.data.labels.panoptic import PANOPTIC, class_list
from nic_train.data.loader import LoaderSettings, make_loader, open_source
from nic_train.data.pictures import scan
from PIL import Image
from torch import nn

IMAGE = {"id": 1, "file_name": "1.jpg", "width": 6, "height": 4}


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


def write_maps(folder, **maps):
    folder.mkdir(exist_ok=True)
    for name, values in maps.items():
        Image.fromarray(np.asarray(values)).save(folder / f"{name}.png")
    return folder


def test_a_folder_of_png_files(tmp_path):
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for name in ("a/one", "a/two", "b/two"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    palette = Image.fromarray(values, "P")
    palette.putpalette(list(range(36)))
    palette.save(tmp_path / "palette.png")
    write_maps(tmp_path, deep=values.astype(np.uint16) * 100, colour=np.zeros((3, 4, 3), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no")

    labels = load_labels([tmp_path])
    assert labels.size("one.jpg") == labels.size("a/two.jpg") == (4, 3)
    assert labels.size("two.jpg") is None  # there are two
    assert labels.size("broken.jpg") is labels.size("three.jpg") is None
    assert np.array_equal(labels.read("one.jpg").classes, values)
    assert labels.read("one.jpg").instances is None
    assert np.array_equal(labels.read("sub/palette.jpg").classes, values)
    assert labels.read("deep.jpg").classes.max() == 1100
    assert labels.classes == 1101
    with pytest.raises(BadPicture, match=r"colour\.png: a label map has one channel, not 3"):
        labels.read("colour.jpg")

    before = labels.fingerprint()
    (tmp_path / "broken.png").write_bytes(b"not")
    assert load_labels([tmp_path]).fingerprint() != before


def test_void_is_255_where_that_is_used_and_0_elsewhere(tmp_path):
    void_last = write_maps(tmp_path / "last", a=np.uint8([[0, 7], [255, 3]]), b=np.uint8([[1, 2]]))
    labels = load_labels([void_last])
    assert labels.classes == 9
    assert labels.read("a.jpg").classes.tolist() == [[1, 8], [0, 4]]
    assert labels.read("b.jpg").classes.tolist() == [[2, 3]]
    void_first = load_labels([write_maps(tmp_path / "first", a=np.uint8([[0, 7], [2, 3]]))])
    assert void_first.classes == 8
    assert void_first.read("a.jpg").classes.tolist() == [[0, 7], [2, 3]]


@pytest.mark.parametrize(
    ("names", "classes", "expected"),
    [(["void", "sky", "sea"], 3, [[0, 2], [0, 1]]), (["sky", "sea", "sand"], 4, [[1, 3], [0, 2]])],
)
def test_a_folder_may_name_its_classes(names, classes, expected, tmp_path):
    folder = write_maps(tmp_path / "maps", a=np.uint8([[0, 2], [255, 1]]), b=np.uint8([[0, 9]]))
    write_json(folder / "classes.json", names)
    labels = load_labels([folder])
    assert labels.classes == classes
    assert labels.read("a.jpg").classes.tolist() == expected
    with pytest.raises(BadPicture, match=r"b\.png: the label map holds 9, outside the class list's 0 to 2$"):
        labels.read("b.jpg")
    with pytest.raises(NicError, match=rf"the recipe has classes=134, but the label maps have {classes}, void inc"):
        load_labels([folder], 134)
    write_json(folder / "classes.json", {"sky": 1})
    with pytest.raises(NicError, match=r"classes\.json holds no class list: it is a list of names"):
        load_labels([folder])


def test_classes_that_do_not_occur_may_be_announced(tmp_path):
    folder = write_maps(tmp_path / "maps", a=np.uint8([[0, 3]]))
    assert load_labels([folder], 10).classes == 10
    with pytest.raises(NicError, match="classes=3, but the label maps have 4"):
        load_labels([folder], 3)
    write_maps(folder, b=np.uint8([[11]]))
    with pytest.raises(NicError, match="classes=10, but the label maps have 12"):
        load_labels([folder], 10)


def test_the_panoptic_classes_of_coco():
    names = [category.name for category in PANOPTIC]
    assert len(names) == len(set(names)) == 133
    assert [category.id for category in PANOPTIC] == sorted(category.id for category in PANOPTIC)
    assert sum(category.is_thing for category in PANOPTIC) == 80
    merged = [number for category in PANOPTIC for number in category.merged]
    same = [category.id for category in PANOPTIC if not category.is_thing and not category.merged]
    assert (len(merged), len(same)) == (43, 36)
    assert len({*merged, *same}) == 79  # of the 91 stuff categories, ids 92 to 182
    found = class_list([{"id": 1, "name": "person"}, {"id": 129, "name": "leaves"}, {"id": 183, "name": "other"}])
    assert found.classes == 134
    assert [found.numbers[number] for number in (1, 90, 92, 129, 169, 184, 200, 183)] == [
        1,
        80,
        81,
        117,
        117,
        117,
        133,
        0,
    ]
    own = class_list([{"id": 40, "name": "moss"}, {"id": 1, "name": "lichen", "isthing": 0}])
    assert (own.classes, own.numbers, own.things) == (3, {1: 1, 40: 2}, {40})


def coco_files(folder):
    """Stuff and instances JSON of one picture: polygons, and run lengths of both forms."""
    mask = pytest.importorskip("pycocotools.mask")
    corner = np.zeros((4, 6), np.uint8, order="F")
    corner[0, 0] = 1
    runs = mask.encode(corner)
    stuff = {
        "images": [IMAGE, {**IMAGE, "id": 2, "file_name": "2.jpg"}],
        "categories": [{"id": 94, "name": "branch"}, {"id": 92, "name": "banner"}, {"id": 183, "name": "other"}],
        "annotations": [
            {"image_id": 1, "category_id": 92, "area": 1, "segmentation": {**runs, "counts": runs["counts"].decode()}},
            {"image_id": 1, "category_id": 183, "area": 4, "segmentation": {"size": [4, 6], "counts": [20, 4]}},
            {"image_id": 1, "category_id": 94, "area": 12, "segmentation": {"size": [4, 6], "counts": [0, 12, 12]}},
        ],
    }
    crowd = {"size": [4, 6], "counts": [16, 4, 4]}
    things = {
        "images": [IMAGE],
        "categories": [{"id": 1, "name": "person"}, {"id": 90, "name": "toothbrush"}],
        "annotations": [
            {"image_id": 1, "category_id": 90, "area": 1, "segmentation": [[2, 1, 3, 1, 3, 2, 2, 2]]},
            {"image_id": 1, "category_id": 1, "area": 4, "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]},
            {"image_id": 1, "category_id": 1, "area": 4, "segmentation": crowd, "iscrowd": 1},
        ],
    }
    return [write_json(folder / "stuff.json", stuff), write_json(folder / "things.json", things)]


def test_stuff_and_instances_of_coco_become_panoptic(tmp_path):
    stuff, things = coco_files(tmp_path)
    both = load_labels([things, stuff])  # in any order
    assert both.classes == 134
    found = both.read("val/1.jpg")
    expected = np.zeros((4, 6), int)
    expected[:, :3] = 117  # branch is part of tree-merged
    expected[0, 0] = 81  # banner, the smaller area
    expected[1:3, 1:3] = 1
    expected[1, 2] = 80  # in front, as it is smaller
    assert found.classes.tolist() == expected.tolist()
    assert found.classes.dtype == np.uint8
    assert sorted({*zip(found.classes.ravel(), found.instances.ravel() > 0, strict=True)}) == [
        (0, False), (1, True), (80, True), (81, False), (117, False)]  # fmt: skip
    assert len(np.unique(found.instances)) == 3

    assert both.size("1.jpg") == (6, 4)
    assert both.size("2.jpg") is None
    alone = load_labels([stuff])
    assert alone.classes == 134
    assert set(np.unique(alone.read("1.jpg").classes)) == {0, 81, 117}
    assert alone.fingerprint() != both.fingerprint()
    with pytest.raises(NicError, match="the recipe has classes=21, but the label maps have 134"):
        load_labels([stuff], 21)


def test_a_category_outside_the_list_is_one_clear_error(tmp_path):
    stuff, _ = coco_files(tmp_path)
    content = json.loads(stuff.read_text())
    content["annotations"][0]["category_id"] = 7000
    with pytest.raises(BadPicture, match=r"1\.jpg: the label map holds category 7000, which its file does not list"):
        load_labels([write_json(stuff, content)]).read("1.jpg")
    for wrong in ({"1.jpg": "text"}, {**content, "categories": [{"id": 1}]}, {**content, "images": []}):
        with pytest.raises(NicError, match=r"stuff\.json holds no label maps"):
            load_labels([write_json(stuff, wrong)])


def test_a_panoptic_file_with_its_folder(tmp_path):
    segments = np.zeros((4, 6), int)
    segments[:, 3:], segments[0], segments[3, :2], segments[2, 0] = 70000, 300, 5, 6
    folder = write_maps(
        tmp_path / "panoptic_val2017",
        **{"1": np.stack([segments % 256, segments // 256 % 256, segments // 65536], -1).astype(np.uint8)},
    )
    info = [
        {"id": 70000, "category_id": 184},
        {"id": 300, "category_id": 1, "iscrowd": 0},
        {"id": 5, "category_id": 1, "iscrowd": 0},
        {"id": 6, "category_id": 3, "iscrowd": 1},
    ]
    content = {
        "images": [IMAGE],
        "categories": [{"id": category.id, "name": category.name} for category in PANOPTIC],
        "annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": info}],
    }
    path = write_json(tmp_path / "panoptic_val2017.json", content)
    labels = load_labels([path])
    assert (labels.classes, labels.size("1.jpg")) == (134, (6, 4))
    found = labels.read("1.jpg")
    expected = np.select([segments == 70000, np.isin(segments, (300, 5))], [117, 1], 0)
    assert found.classes.tolist() == expected.tolist()
    assert np.array_equal(found.instances > 0, expected == 1)
    assert len(np.unique(found.instances)) == 3
    del info[0]
    with pytest.raises(BadPicture, match=r"1\.png: its segment 70000 is not in the JSON file"):
        load_labels([write_json(path, content)]).read("1.jpg")
    (folder / "1.png").unlink()
    with pytest.raises(BadPicture, match=r"1\.jpg: its label map is damaged"):
        labels.read("1.jpg")


def test_what_is_no_label_map_is_one_clear_error(tmp_path, monkeypatch):
    stuff, _ = coco_files(tmp_path)
    monkeypatch.setattr(coco, "find_spec", lambda name: None)
    with pytest.raises(NicError, match=r"nic-train\[coco\]"):
        load_labels([stuff])
    with pytest.raises(NicError, match="folder of PNG files, or COCO's JSON"):
        load_labels([tmp_path / "labels.txt"])
    with pytest.raises(NicError, match="no label maps"):
        load_labels([tmp_path])


def test_a_map_that_does_not_fit_its_picture_is_named(tmp_path, make_pictures, caplog):
    folder, maps = make_pictures(tmp_path / "pictures", 2), tmp_path / "maps"
    write_maps(maps, **{"0": np.zeros((80, 96), np.uint8), "1": np.zeros((40, 40), np.uint8)})
    labels = load_labels([maps])
    assert with_annotations(scan(folder, 1), None, labels).names == ("0.png",)
    assert (
        "1 of 2 pictures left out, without the caption or label map of their shape that is needed: 1.png" in caplog.text
    )
    source = open_source(str(folder), 32, None, str(maps), frozenset({"labels"}), cache_gb=0)
    write_maps(maps, **{"0": np.zeros((80, 80), np.uint8)})  # after it was opened
    with pytest.raises(NicError, match="can be decoded"):
        next(iter(make_loader(source, LoaderSettings(1, 32, 0), 0, 1)))
    assert "0.png: its label map of 80x80 does not fit the picture of 96x80" in caplog.text


@dataclass(frozen=True)
class Labelled(MiniRecipe):
    """A small model, and a network as wide as there are classes."""

    crop: int = 64
    batch: int = 2
    warmup: int = 0
    optimizer: str = "adam"
    classes: int = 0
    scale: tuple[float, float] = (0.5, 1.5)
    seen: ClassVar[set] = set()

    @property
    def needs(self):
        return frozenset({"labels"})

    def build(self):
        small = MiniConfig((8, 8, 8), (1, 1, 1), (4, 4), 8, 8, 8)
        return Networks(Mini(small), nn.Conv2d(3, self.classes, 1))

    def loss(self, networks, batch):
        values = super().loss(networks, batch)
        guess = nn.functional.cross_entropy(networks.auxiliary(batch.pixels), batch.labels, ignore_index=0)
        self.seen.update(torch.unique(batch.labels).tolist())
        return {**values, "loss": values["loss"] + guess}


def test_the_networks_are_as_wide_as_the_class_list(tmp_path, make_pictures, monkeypatch, capsys):
    target = f"{__name__}:Labelled"
    monkeypatch.setattr(recipes, "recipe_spec", lambda codec, name: RecipeSpec("labelled", "mini", target, ""))
    monkeypatch.setattr(recipes, "resolve", lambda name: Labelled)
    folder, run = make_pictures(tmp_path / "pictures", 3), tmp_path / "run"
    maps = write_maps(tmp_path / "maps", **{str(i): np.full((80, 96), i + 1, np.uint8) for i in range(3)})

    def train(*arguments):
        code = cli.run(["train", *map(str, arguments)])
        return code, capsys.readouterr().err

    common = ("mini", "--data", folder, "--out", run, "--steps", 1, "--precision", "fp32")
    code, errors = train(*common)
    assert code == 1
    assert "the recipe needs label maps: give a folder or JSON file of them with --labels" in errors
    code, errors = train(*common, "--labels", maps, "--set", "classes=2")
    assert code == 1
    assert "the recipe has classes=2, but the label maps have 4" in errors
    assert train(*common, "--labels", maps, "--val", folder)[0] == 0
    assert json.loads((run / "run.json").read_text())["request"]["choice"]["values"]["classes"] == 4
    assert train("--resume", run, "--steps", 2)[0] == 0
    assert read_info(run / "weights.safetensors").provenance["values"]["classes"] == 4
    assert train("--export", run)[0] == 0
    assert Labelled.seen == {1, 2, 3}
    write_json(maps / "classes.json", ["void", "a", "b", "c", "d"])
    code, errors = train("--resume", run, "--steps", 3)
    assert code == 1
    assert "the recipe has classes=4, but the label maps have 5" in errors
