"""Sizes, and what is done to pictures and sketches."""

import sys

import numpy as np
import pytest
import torch
from nic_core.errors import BadPicture
from nic_core.pictures.picture import Picture
from nic_textsketch.geometry import resized, sharpened, working_size
from nic_textsketch.sketches.annotators import ANNOTATORS, detector_class, load_annotator
from PIL import Image


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((768, 512), (768, 512)),
        ((2048, 1365), (768, 512)),
        ((64, 64), (512, 512)),
        ((300, 1200), (512, 2048)),
        ((100, 106), (512, 512)),
        ((100, 107), (512, 576)),
    ],
)
def test_the_short_side_and_multiples_of_64(given, expected):
    assert working_size(*given) == expected
    assert working_size(*given[::-1]) == expected[::-1]
    assert working_size(*expected) == expected


@pytest.mark.parametrize("short", [64, 512])
def test_annotators_draw_at_this_size(monkeypatch, short):
    pytest.importorskip("cv2")
    detector_class(ANNOTATORS["canny"].module, ANNOTATORS["canny"].detector)
    util = sys.modules["controlnet_aux.util"]
    sides = [*range(64, 257, 3), 72, 80, 88, 104, 136]  # many of these lie between two sizes at 64
    monkeypatch.setattr(util.cv2, "resize", lambda _, size, interpolation: size)
    for side in sides:
        for width, height in ((64, side), (side, 64), (119, side), (side, 119)):
            pixels = np.broadcast_to(np.uint8(0), (height, width, 3))
            assert util.resize_image(pixels, short) == working_size(width, height, short)


def test_a_sketch_has_this_size():
    pytest.importorskip("cv2")
    draw = load_annotator("canny", 64)
    for width, height in ((96, 64), (64, 96), (160, 64), (70, 231)):
        sketch = draw(Picture(np.zeros((height, width, 3), np.uint8)))
        assert (sketch.width, sketch.height) == working_size(width, height, 64)


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((40, 300), "at least 64 pixels wide and high, not 40 x 300"),
        ((300, 63), "at least 64 pixels wide and high, not 300 x 63"),
        ((100, 401), "no side may be more than 4 times as long as the other: 100 x 401"),
        ((401, 100), "401 x 100"),
    ],
)
def test_what_is_too_small_or_too_long_is_refused(size, says):
    with pytest.raises(BadPicture, match=says):
        working_size(*size)


def test_a_picture_survives_two_resizings():
    ramp = Image.linear_gradient("L").resize((96, 80))
    again = resized(resized(ramp, (192, 128)), ramp.size)
    assert (again.size, again.mode) == ((96, 80), "L")
    assert np.abs(np.asarray(again, int) - np.asarray(ramp)).max() <= 2


def test_sharpening_is_that_of_torchvision():
    functional = pytest.importorskip("torchvision.transforms.functional")
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96), np.uint8)
    found = sharpened(Image.fromarray(pixels))
    assert (found.mode, found.size) == ("RGB", (96, 64))
    expected = functional.adjust_sharpness(torch.from_numpy(pixels)[None].float() / 255, 2)[0].numpy() * 255
    found = np.asarray(found, float)
    assert np.abs(found - expected[..., None]).max() <= 1
    assert np.abs(found - pixels[..., None]).max() > 50
