"""Which sample a draw gives: a function of seed and number, whatever was drawn before."""

import numpy as np
import pytest
import torch
from nic_core.errors import NicError
from nic_nn.training.augmentation import Augmentation
from nic_train.data.annotations import Captions, Item
from nic_train.data.crops import collate, random_crop
from nic_train.data.labels.loading import load_labels
from nic_train.data.labels.maps import LabelMap
from nic_train.data.pictures import read_rgb, scan
from nic_train.data.sampling import CentreCrops, Crops, Draws, PictureSet, StepSampler, sample_key
from PIL import Image

CROP = 32


@pytest.fixture
def folder(tmp_path, make_pictures):
    return make_pictures(tmp_path / "pictures", 5)


def same(first, second):
    return first.key == second.key and first.file == second.file and np.array_equal(first.pixels, second.pixels)


def test_each_epoch_takes_each_picture_once_in_another_order():
    draws = Draws(1, 50)
    epochs = [[draws.picture(epoch * 50 + i) for i in range(50)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert [draws.picture(i) for i in range(50)] == epochs[0]
    assert [Draws(2, 50).picture(i) for i in range(50)] != epochs[0]


def test_a_draw_depends_on_seed_and_number_alone(folder):
    crops = Crops(PictureSet(scan(folder, CROP)), CROP, seed=3)
    drawn = [crops[i] for i in range(12)]
    assert same(Crops(PictureSet(scan(folder, CROP)), CROP, seed=3)[11], drawn[11])
    assert same(crops[4], drawn[4])
    assert len({sample.key for sample in drawn}) == 12
    other = Crops(PictureSet(scan(folder, CROP)), CROP, seed=4)
    assert not {other[i].key for i in range(12)} & {sample.key for sample in drawn}
    assert sample_key(3, 0) == 4306102503459962048  # keys are the same on every machine and in every version
    assert 0 <= min(sample_key(3, i) for i in range(1000)) < max(sample_key(3, i) for i in range(1000)) < 2**63


def test_crops_are_parts_of_the_picture_and_half_are_mirrored(tmp_path):
    rows, columns = np.mgrid[:80, :96].astype(np.uint8)
    where = np.dstack([rows, columns, np.zeros_like(rows)])
    Image.fromarray(where).save(tmp_path / "where.png")
    crops, mirrored, places = Crops(PictureSet(scan(tmp_path, CROP)), CROP, seed=0), 0, set()
    for i in range(200):
        pixels = crops[i].pixels
        if pixels[0, 0, 1] > pixels[0, -1, 1]:
            pixels, mirrored = pixels[:, ::-1], mirrored + 1
        top, left, _ = pixels[0, 0]
        assert np.array_equal(pixels, where[top : top + CROP, left : left + CROP])
        places.add((top, left))
    assert 70 < mirrored < 130
    tops, lefts = zip(*places, strict=True)
    assert (min(tops), max(tops), min(lefts), max(lefts)) == (0, 48, 0, 64)


@pytest.mark.parametrize("scale", [1, 2])
def test_labels_and_captions_follow_their_picture(folder, tmp_path, scale):
    """Label maps hold the picture's red values, of every second pixel where they are scaled."""
    (tmp_path / "labels").mkdir()
    for path in folder.iterdir():
        pixels = read_rgb(path)[::scale, ::scale].repeat(scale, 0).repeat(scale, 1)
        pixels[..., 0] //= 2  # below 255, which would be void
        Image.fromarray(pixels).save(path)
        Image.fromarray(pixels[::scale, ::scale, 0]).save(tmp_path / "labels" / path.name)
    texts = Captions({f"{i}.png": (f"{i} a", f"{i} b") for i in range(5)})
    pictures = PictureSet(scan(folder, CROP), texts, load_labels([tmp_path / "labels"]))
    crops, plain = Crops(pictures, CROP, 0), Crops(PictureSet(scan(folder, CROP)), CROP, 0)
    for i in range(20):
        assert np.array_equal(crops[i].labels, crops[i].pixels[..., 0])
        assert crops[i].text.startswith(crops[i].file[0])
        assert same(crops[i], plain[i])
    assert len({crops[i].text[-1] for i in range(20)}) == 2

    batch = collate([crops[i] for i in range(3)])
    assert batch.pixels.shape == (3, 3, CROP, CROP)
    assert (batch.labels == batch.pixels[:, 0]).all()
    assert batch.labels.dtype == batch.keys.dtype
    assert batch.files == tuple(crops[i].file for i in range(3))
    assert batch.text == tuple(crops[i].text for i in range(3))
    unlabelled = collate([plain[0]])
    assert unlabelled.text is unlabelled.labels is unlabelled.weights is None


def squares(side=64):
    """A picture whose four quarters have a class and an instance each, and its label map."""
    quarters = np.kron([[0, 1], [2, 3]], np.ones((side // 2, side // 2))).astype(np.uint8)
    return Item((quarters * 60).repeat(3).reshape(side, side, 3), (), LabelMap(quarters + 5, quarters))


def test_small_things_weigh_more():
    item = squares(160)
    sample = random_crop(item, 3, "a", 160)
    assert (sample.weights == 1).all()  # each is 80 x 80
    sample = random_crop(item, 0, "a", 100)
    instances = sample.labels - 5
    areas = np.bincount(instances.ravel(), minlength=4)
    assert areas[1:].min() < 4096 < areas[1:].max()
    for number in range(4):
        wanted = 3 if number and areas[number] < 4096 else 1
        assert (sample.weights[instances == number] == wanted).all()
    assert sample.weights.dtype == np.float32

    batch = collate([sample, sample])
    assert batch.weights.shape == batch.labels.shape == (2, 100, 100)
    assert [piece.weights.shape[0] for piece in batch.split(2)] == [1, 1]
    assert torch.equal(batch.to("cpu").weights, batch.weights)


@pytest.mark.parametrize("crop", [32, 64])
def test_scaled_crops_keep_their_labels(crop):
    item, shares = squares(), set()
    for key in range(40):
        sample = random_crop(item, key, "a", crop, Augmentation(scale=(0.5, 1.5)))
        assert sample.pixels.shape == (crop, crop, 3)
        assert sample.labels.shape == sample.weights.shape == (crop, crop)
        away = np.abs(sample.pixels[..., 0].astype(int) - 60 * (sample.labels.astype(int) - 5)) > 30
        assert away.mean() < 0.08  # where quarters meet, the filter blends them and the labels do not
        shares.add((sample.labels == sample.labels[0, 0]).mean())
        assert same(random_crop(item, key, "a", crop, Augmentation(scale=(0.5, 1.5))), sample)
    assert len(shares) > 10
    assert same(random_crop(item, 7, "a", 48, Augmentation()), random_crop(item, 7, "a", 48))


def test_scaling_by_a_factor():
    rows = np.repeat(np.arange(128, dtype=np.uint8)[:, None], 128, 1)
    item = Item(rows[..., None].repeat(3, 2), (), LabelMap(rows))
    for factor, step in ((0.5, 2.0), (2.0, 0.5)):
        sample = random_crop(item, 0, "a", 32, Augmentation(scale=(factor, factor)))
        for values in (sample.pixels[2:-2, 0, 0], sample.labels[2:-2, 0]):
            assert abs(np.diff(values.astype(float)).mean() - step) < 0.1
    whole = random_crop(item, 0, "a", 128, Augmentation(scale=(0.25, 0.25)))  # the picture is too small for it
    assert np.array_equal(whole.labels, rows)


def test_memory_changes_nothing_and_broken_pictures_are_replaced_by_the_next(folder, caplog):
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:200])  # its header is sound
    pictures = PictureSet(scan(folder, CROP))
    assert len(pictures) == 5
    crops = Crops(pictures, CROP, 0)
    drawn = [crops[i] for i in range(10)]
    assert caplog.text.count("2.png") == 1
    assert pictures.broken.count() == 1
    draws = Draws(0, 5)
    for i, sample in enumerate(drawn):
        order = [draws.picture(i // 5 * 5 + k) for k in range(5)]
        taken = order[i % 5] if order[i % 5] != 2 else order[(i % 5 + 1) % 5]
        assert sample.file == f"{taken}.png"
        assert sample.key == sample_key(0, i)

    held = PictureSet(scan(folder, CROP)).in_memory(quiet=True)
    assert held.cached
    assert held.decoded_bytes() == 5 * 96 * 80 * 3
    for path in folder.iterdir():
        path.unlink()
    assert all(same(Crops(held, CROP, 0)[i], sample) for i, sample in enumerate(drawn))


def test_only_broken_pictures_are_an_error(folder):
    pictures = PictureSet(scan(folder, CROP))
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(NicError, match="none of the 5 pictures"):
        Crops(pictures, CROP, 0)[0]


def test_centre_crops_are_always_the_same(folder):
    crops = CentreCrops(PictureSet(scan(folder, CROP), Captions({"1.png": ("one", "two")})), CROP)
    assert len(crops) == 5
    assert np.array_equal(crops[1].pixels, read_rgb(folder / "1.png")[24:56, 32:64])
    assert same(crops[1], crops[1])
    assert (crops[1].text, crops[2].text) == ("one", None)
    assert crops[1].key != crops[2].key


def test_ranks_share_each_step_and_resuming_goes_on():
    whole = list(StepSampler(8, 0, 5))
    assert [draw for step in whole for draw in step] == list(range(40))
    for rank in range(4):
        assert list(StepSampler(8, 2, 5, rank, 4)) == [step[2 * rank : 2 * rank + 2] for step in whole[2:]]
    assert len(StepSampler(8, 2, 5)) == 3


def test_records_know_their_annotations(folder):
    pictures = scan(folder, CROP)
    plain = PictureSet(pictures).record()
    first = PictureSet(pictures, Captions({"1.png": ("one",)})).record()
    second = PictureSet(pictures, Captions({"1.png": ("two",)})).record()
    assert plain == pictures.record()
    assert len({plain.annotations, first.annotations, second.annotations}) == 3
