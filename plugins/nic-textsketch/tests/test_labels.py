"""Segmentation maps as labels: what is lost and what is not, and what is no map."""

import numpy as np
import pytest
from nic_core.errors import DamagedFile
from nic_textsketch.sketches import labels
from nic_textsketch.sketches.ade20k import PALETTE, colours_of, labels_of
from PIL import Image

SIZE = (192, 128)


@pytest.fixture(scope="module")
def blocks():
    """A map of rectangles whose corners lie on multiples of 16."""
    found = np.zeros(SIZE[::-1], np.uint8)
    for number, (x, y, width, height) in enumerate(np.random.default_rng(0).integers(1, 6, (9, 4)) * 16, 7):
        found[y : y + height, x : x + width] = number * 9
    return found


def test_every_class_has_a_colour_and_is_found_by_it():
    assert PALETTE.shape == (150, 3)
    names = {"wall": (0, (120, 120, 120)), "sky": (2, (6, 230, 230)), "flag": (149, (92, 0, 255))}
    assert all(tuple(PALETTE[label]) == colour for label, colour in names.values())
    every = np.arange(150, dtype=np.uint8)[None]
    found = labels_of(colours_of(every))
    assert np.array_equal(np.flatnonzero(found != every), [48])  # a skyscraper has the colour of a road
    assert found[0, 48] == 6


def test_other_colours_are_the_nearest_class():
    assert labels_of(np.array([[[121, 119, 122], [0, 0, 0]]], np.uint8)).tolist() == [[0, 3]]


def test_what_is_coded_comes_back(blocks):
    data, coded = labels.encode(Image.fromarray(colours_of(blocks)))
    assert coded.shape == (32, 48)
    assert np.array_equal(labels.decode(data, SIZE), coded)
    drawn = labels.drawn(coded)
    assert (drawn.size, drawn.mode) == (SIZE, "RGB")
    assert (labels_of(np.asarray(drawn)) == blocks).mean() > 0.98  # corners of three pixels are lost
    assert len(data) < 200


def test_specks_are_not_coded():
    noisy = np.full(SIZE[::-1], 20, np.uint8)
    noisy[2::8, 2::8] = 30
    data, coded = labels.encode(Image.fromarray(colours_of(noisy)))
    assert set(coded.ravel()) == {20}
    assert len(data) < 30


def test_any_map_of_any_class_comes_back():
    noise = np.random.default_rng(0).integers(0, 150, (16, 16)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    noise[noise == 48] = 6
    data, coded = labels.encode(Image.fromarray(colours_of(noise)))
    assert np.array_equal(coded, noise[::4, ::4])
    assert np.array_equal(labels.decode(data, (128, 128)), coded)


def test_damaged_ones_are_refused_or_read(blocks):
    data, _ = labels.encode(Image.fromarray(colours_of(blocks)))
    with pytest.raises(DamagedFile, match=r"is \(48, 32\), not \(32, 48\)"):
        labels.decode(data, SIZE[::-1])
    for cut in range(0, len(data) - 4, 7):
        with pytest.raises(DamagedFile):
            labels.decode(data[:cut], SIZE)
    rng = np.random.default_rng(1)
    for _ in range(100):
        altered = bytearray(data)
        altered[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        try:
            found = labels.decode(bytes(altered), SIZE)
        except DamagedFile:
            continue
        assert found.shape == (32, 48)
        assert found.max() < 150


def test_classes_that_there_are_not_are_refused(monkeypatch, blocks):
    monkeypatch.setattr(labels, "labels_of", lambda pixels: np.full(pixels.shape[:2], 200, np.uint8))
    data, _ = labels.encode(Image.fromarray(colours_of(blocks)))
    with pytest.raises(DamagedFile, match="has a class 200, there are 150"):
        labels.decode(data, SIZE)
