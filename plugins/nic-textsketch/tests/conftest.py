"""Sketches for the tests."""

import numpy as np
import pytest
from PIL import Image, ImageDraw


@pytest.fixture
def sketches(tmp_path):
    """A folder with two gray drawings of odd sizes."""
    folder = tmp_path / "sketches"
    folder.mkdir()
    for name, size in (("a", (231, 197)), ("b", (193, 200))):
        image = Image.new("L", size)
        corners = np.random.default_rng(len(name)).integers(0, 200, (12, 2))
        ImageDraw.Draw(image).line([tuple(map(int, corner)) for corner in corners], fill=255, width=3)
        image.save(folder / f"{name}.png")
    return folder
