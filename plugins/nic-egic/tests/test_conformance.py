"""What every model of latents must do, of a small EGIC, trained through its phases."""

from pathlib import Path

import numpy as np
from nic_nn.testing import LatentModelTests
from PIL import Image


class TestEgic(LatentModelTests):
    codec_id = "egic"
    values = {"width": 32, "disc_width": 8, "lpips": False, "scale": (1.0, 1.0)}
    large = 500_000

    @classmethod
    def training_data(cls, folder: Path) -> list[str]:
        (folder / "labels").mkdir()
        for number in range(3):
            rows = np.arange(128 + number)[:, None] // 50 + np.zeros((1, 128), int)
            Image.fromarray(rows.astype(np.uint8)).save(folder / "labels" / f"{number}.png")
        return ["--labels", str(folder / "labels")]
