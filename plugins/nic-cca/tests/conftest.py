"""Pictures for the tests."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photographs(tmp_path):
    """A folder with two pictures of odd sizes."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name, size in (("a", (231, 197)), ("b", (192, 200))):
        noise = np.random.default_rng(len(name)).integers(0, 256, (5, 6, 3), np.uint8)
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return folder
