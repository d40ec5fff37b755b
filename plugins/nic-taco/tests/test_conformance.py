"""What every model of latents must do, of a small TACO that reads captions by a random CLIP."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nic_nn.testing import LatentModelTests
from tiny_clip import TEXT_WIDTH, write_random_clip


class TestTaco(LatentModelTests):
    codec_id = "taco"
    encode_options = {"text": "a red door"}
    large = 500_000

    @classmethod
    @contextlib.contextmanager
    def surroundings(cls, folder: Path) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NIC_CLIP", str(write_random_clip(folder)))
            yield

    @classmethod
    def recipe_values(cls, folder: Path) -> dict[str, Any]:
        return {"width": 24, "text_width": TEXT_WIDTH, "k_p": 0, "k_j": 0, "clip_path": str(folder / "random_clip.pt")}

    @classmethod
    def training_data(cls, folder: Path) -> list[str]:
        (folder / "captions.json").write_text(json.dumps({f"{number}.png": "a red door" for number in range(3)}))
        return ["--captions", str(folder / "captions.json")]
