"""Whole pictures scaled, padded and augmented as in deeplab2, and the switch for mirroring."""

import random

import numpy as np
import pytest
from nic_core.errors import BadOption
from nic_nn.training.augmentation import Augmentation
from nic_train.data.annotations import Item
from nic_train.data.autoaugment import MAGNITUDE, PAIRS, augmented, operated
from nic_train.data.crops import random_crop
from nic_train.data.labels.maps import LabelMap
from nic_train.data.scaling import factor_of, new_size, prepared, scaled
from PIL import Image

SMALL = "simple_classification_policy_magnitude_scale_0.2"


def ramp(height=30, width=40):
    """A picture whose red is 4 times the row and whose green is 4 times the column; labels that say the row."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return Item(np.dstack([4 * rows, 4 * columns, 0 * rows]), (), LabelMap(rows + 1, columns))


def test_crops_are_mirrored_only_where_asked():
    item = ramp()
    left_to_right = [
        [random_crop(item, key, "a", 16, Augmentation(mirror=mirror)).pixels[0, :2, 1] for key in range(60)]
        for mirror in (False, True)
    ]
    rising = [sum(int(second) > int(first) for first, second in found) for found in left_to_right]
    assert rising[0] == 60 and 15 < rising[1] < 45


def test_corners_come_to_lie_on_corners():
    """As TensorFlow's align_corners has it: a ramp stays a ramp between the same ends."""
    for size in ((59, 79), (15, 20), (30, 20)):
        made = scaled(ramp(), *size)
        assert made.pixels.shape == (*size, 3)
        wanted = np.linspace(0, 4 * 29, size[0])
        assert np.abs(made.pixels[:, 0, 0] - wanted).max() <= 1
        assert np.abs(made.pixels[0, :, 1] - np.linspace(0, 4 * 39, size[1])).max() <= 1
        assert np.abs(made.labels.classes[:, 0] - 1 - wanted / 4).max() <= 0.5
        assert np.abs(made.labels.instances[0] - np.linspace(0, 39, size[1])).max() <= 0.5
    same = scaled(ramp(), 30, 40)
    assert np.array_equal(same.pixels, ramp().pixels) and np.array_equal(same.labels.classes, ramp().labels.classes)


def test_the_long_side_and_the_steps_of_factors():
    augmentation = Augmentation(long_side=640, scale=(0.5, 1.5), scale_step=0.1, pad=True)
    drawn = [factor_of(augmentation, random.Random(key)) for key in range(500)]
    assert sorted({round(factor, 6) for factor in drawn}) == [round(0.5 + 0.1 * step, 6) for step in range(11)]
    once = Augmentation(long_side=640, pad=True)
    assert new_size((480, 640), (256, 256), once, random.Random(0)) == (480, 640)
    assert new_size((200, 100), (256, 256), once, random.Random(0)) == (640, 320)
    assert new_size((1000, 3000), (256, 256), once, random.Random(0)) == (213, 640)
    sizes = {new_size((480, 640), (256, 256), augmentation, random.Random(key)) for key in range(300)}
    assert {(240, 320), (480, 640), (720, 960)} < sizes and len(sizes) == 11
    unpadded = Augmentation(long_side=640)  # the crop must fit
    assert new_size((1000, 3000), (256, 256), unpadded, random.Random(0)) == (256, 769)
    with pytest.raises(BadOption, match="scale must be two factors"):
        Augmentation(scale=(1.5, 0.5))


def test_small_pictures_lie_somewhere_in_gray_and_void():
    places = set()
    for key in range(50):
        sample = random_crop(ramp(), key, "a", 64, Augmentation(pad=True, mirror=False))
        inside = sample.labels > 0
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        assert (len(rows), len(columns)) == (30, 40)
        assert (sample.pixels[~inside] == 128).all() and (sample.weights[~inside] == 1).all()
        assert np.array_equal(sample.pixels[inside].reshape(30, 40, 3), ramp().pixels)
        places.add((rows[0], columns[0]))
    assert len(places) > 40
    assert prepared(ramp(), (16, 16), Augmentation(pad=True), random.Random(0)).pixels.shape == (30, 40, 3)


def test_draws_depend_on_the_key_alone():
    augmentation = Augmentation(long_side=48, scale=(0.5, 1.5), scale_step=0.1, pad=True, autoaugment=SMALL)
    made = [random_crop(ramp(), key, "a", 32, augmentation) for key in range(20)]
    for key, sample in enumerate(made):
        again = random_crop(ramp(), key, "a", 32, augmentation)
        assert np.array_equal(again.pixels, sample.pixels) and np.array_equal(again.labels, sample.labels)
    assert len({sample.pixels.tobytes() for sample in made}) > 15


def noise(height=300, width=300):
    return np.random.default_rng(0).integers(40, 200, (height, width, 3), dtype=np.uint8)


def test_operations_are_those_of_deeplab2():
    """Each against what its formula gives, up to a rounding."""
    pixels = noise().astype(float)
    image = Image.fromarray(noise())
    share = 0.1 + 0.18 * 2

    def of(name, magnitude=2.0):
        return np.asarray(operated(image, name, magnitude)).astype(float)

    assert np.abs(of("brightness") - share * pixels).max() <= 1
    gray = pixels @ [0.2989, 0.587, 0.114]
    assert np.abs(of("color") - (gray[..., None] * (1 - share) + share * pixels)).max() <= 1.5
    assert np.abs(of("contrast") - (255 * (1 - share) + share * pixels)).max() <= 1  # 90000 pixels: white
    small = Image.fromarray(noise(64, 64))
    wanted = 16 * (1 - share) + share * noise(64, 64)  # 4096 pixels / 256
    assert np.abs(np.asarray(operated(small, "contrast", 2.0)) - wanted).max() <= 1
    assert np.array_equal(of("solarize", 1.4), np.where(pixels < 35, pixels, 255 - pixels))
    smooth = sum(np.roll(pixels, shift, (0, 1)) for shift in np.ndindex(3, 3))
    smooth = (np.roll(smooth, (-1, -1), (0, 1)) + 4 * pixels) / 13
    assert np.abs(of("sharpness") - (smooth * (1 - share) + share * pixels))[1:-1, 1:-1].max() <= 1.5
    assert of("equalize").min() == 0 and of("equalize").max() == 255
    with pytest.raises(ValueError, match="no operation blur"):
        operated(image, "blur", 1.0)


def test_the_policy_draws_its_pairs(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "nic_train.data.autoaugment.operated", lambda image, name, magnitude: seen.append((name, magnitude)) or image
    )
    for key in range(2000):
        assert np.array_equal(augmented(noise(8, 8), SMALL, random.Random(key)), noise(8, 8))
    names = [name for name, _ in seen]
    expected = {}
    for pair in PAIRS:
        for name, probability, _ in pair:
            expected[name] = expected.get(name, 0) + 400 * probability
    for name, count in expected.items():
        assert abs(names.count(name) - count) < 5 * max(count, 1) ** 0.5, name
    assert sorted({magnitude for name, magnitude in seen if name == "sharpness"}) == pytest.approx([0.2, 1.4, 1.8])
    assert MAGNITUDE["simple_classification_policy"] == 1
