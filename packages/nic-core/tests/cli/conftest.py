"""A folder of pictures to work in."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture


@pytest.fixture
def work(tmp_path: Path, fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, which holds a.png, b.jpg, sub/c.png and sub/deep/d.tif."""
    folder = tmp_path / "work"
    (folder / "sub" / "deep").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    pixels = np.random.default_rng(18).integers(0, 256, (6, 9, 3), np.uint8)
    for name in ("a.png", "b.jpg", "sub/c.png", "sub/deep/d.tif"):
        image_files.write(Picture(pixels), folder / name)
    return folder
