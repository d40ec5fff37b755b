"""What the trainer's tests share: small pictures, and `nic` as a process of its own."""

import os
import subprocess
import sys

import numpy as np
import pytest
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
