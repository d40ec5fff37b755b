"""What every codec must do, of the sketch model, and of the generators with tiny models on disk."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_diffusion
import tiny_open_clip
from nic_core import cli
from nic_core.testing import CodecTests
from nic_nn.testing import LatentModelTests


class TestSketches(LatentModelTests):
    codec_id = "textsketch-ntc"
    values = {"width": 16}
    crop = 192
    large = 500_000


class Generated(CodecTests):
    smallest = 64
    large = 300 * 200
    mutants = 20
    calls = 2
    config: dict = {}

    @classmethod
    @contextlib.contextmanager
    def surroundings(cls, folder: Path) -> Iterator[None]:
        tiny_diffusion.write_base(folder / "tiny" / "base")
        tiny_diffusion.write_controlnet(folder / "tiny" / "control")
        tiny_open_clip.write(folder / "tiny" / "clip")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HF_HUB_OFFLINE", "1")
            patch.setenv("NIC_MODELS", str(folder))
            patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
            yield

    @classmethod
    def make_weights(cls, folder: Path) -> Path:
        (folder / "config.json").write_text(json.dumps({"base": "tiny/base", "steps": 1, "size": 64, **cls.config}))
        path = folder / "generator.safetensors"
        assert cli.run(["weights", "import", cls.codec_id, str(folder / "config.json"), "-o", str(path)]) == 0
        return path


class TestPrompts(Generated):
    codec_id = "textsketch-pic"
    encode_options = {"text": "noise", "candidates": 1, "select": "mse", "clip": "tiny/clip"}


@pytest.mark.long
class TestPromptsAndSketches(Generated):
    codec_id = "textsketch-pics"
    encode_options = {**TestPrompts.encode_options, "annotator": "canny"}
    config = {"controlnets": {"canny": "tiny/control"}}
