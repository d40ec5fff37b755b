"""Sketches for the tests. Makes the helpers beside the tests importable."""

import sys
from pathlib import Path

import numpy as np
import pytest
from nic_core import cli
from PIL import Image, ImageDraw

sys.path.append(str(Path(__file__).parent))


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


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Weights of a sketch model after three steps on noise, no result of anything."""
    folder = tmp_path_factory.mktemp("trained")
    for index in range(2):
        noise = np.random.default_rng(index).integers(0, 256, (6, 6, 3), np.uint8)
        Image.fromarray(noise).resize((200, 192), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    values = {"width": 16, "crop": 192, "val_crop": 192, "batch": 2}
    settings = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    arguments = ["train", "textsketch-ntc", "--data", folder, "--val", folder, "--out", folder / "run", "--steps", 3]
    assert cli.run([*map(str, arguments), *settings, "--precision", "fp32", "--val-steps", "3", "--lambda", "1"]) == 0
    return folder / "run" / "weights.safetensors"
