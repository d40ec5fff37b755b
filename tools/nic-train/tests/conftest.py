"""What the trainer's tests share: small pictures, and `nic` as a process of its own."""

import os
import subprocess
import sys

import numpy as np
import pytest
from nic_core import cli
from nic_mini.config import MiniConfig
from nic_mini.model import Mini
from nic_mini.recipe import MiniRecipe
from PIL import Image


@pytest.fixture(scope="session")
def make_pictures():
    """Write smooth random pictures as PNG files into a folder, and return it."""

    def make(folder, count, size=(96, 80)):
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        for i in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            coarse.resize(size, Image.Resampling.BICUBIC).save(folder / f"{i}.png")
        return folder

    return make


@pytest.fixture
def pictures(tmp_path, make_pictures):
    """Three pictures, and two files that are of no use."""
    folder = tmp_path / "pictures"
    make_pictures(folder / "deeper", 3)
    (folder / "broken.png").write_bytes(b"not a picture")
    Image.new("RGB", (10, 10)).save(folder / "small.png")
    return folder


@pytest.fixture(scope="session")
def start_nic():
    """Start `nic` with one thread, so that float sums have one order."""

    def start(*args, launcher=(sys.executable, "-W", "ignore", "-m", "nic_core")):
        command, environment = [*launcher, *map(str, args)], {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return start


@pytest.fixture(scope="session")
def nic(start_nic):
    """Run `nic` to its end, which must be a good one; returns what it printed."""

    def run(*args, **how):
        with start_nic(*args, **how) as process:
            out, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        return out

    return run


@pytest.fixture(scope="module")
def tiny_train():
    """Run `nic train` in this process, where mini has a few channels only; returns the exit code."""
    config = MiniConfig((8, 8, 8), (1, 1, 1), (4, 4), 8, 8, 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MiniRecipe, "build_model", lambda recipe: Mini(config))
        yield lambda *arguments: cli.run(["train", *map(str, arguments)])


@pytest.fixture(scope="module")
def tiny_run(tiny_train, make_pictures, tmp_path_factory):
    """A finished run of two steps, beside its pictures."""
    folder = tmp_path_factory.mktemp("tiny")
    pictures = make_pictures(folder / "pictures", 3)
    small = ["--set", "crop=64", "--set", "batch=2", "--set", "optimizer=adam", "--set", "warmup=0"]
    common = ("--data", pictures, "--val", pictures, "--out", folder / "run", "--workers", 0, *small)
    assert tiny_train("mini", *common, "--steps", 2, "--log-every", 1, "--checkpoint-steps", 1) == 0
    return folder / "run"
