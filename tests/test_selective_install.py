"""What a user gets from a few wheels in a clean environment, from a wheelhouse built here."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
PROJECTS = [
    "packages/nic-core",
    "packages/nic-native",
    "packages/nic-latent",
    "packages/nic-nn",
    "plugins/nic-tbtc",
    "plugins/nic-cca",
    "plugins/nic-mini",
    "plugins/nic-taco",
    "plugins/nic-egic",
    "plugins/nic-textsketch",
    "tools/nic-train",
    "tools/nic-eval",
    "tools/nic-zarr",
]


def uv(*args, **settings):
    done = subprocess.run([sys.executable, "-m", "uv", *map(str, args)], capture_output=True, text=True, **settings)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheelhouse")
    for project in PROJECTS:
        uv("build", "--quiet", "--wheel", "--out-dir", folder, ROOT / project)
    return folder


@pytest.fixture(scope="module")
def make_environment(tmp_path_factory, wheelhouse):
    def make(*distributions):
        folder = tmp_path_factory.mktemp("environment") / "venv"
        uv("venv", "--quiet", "--python", sys.executable, folder)
        uv("pip", "install", "--quiet", "--python", folder, "--find-links", wheelhouse, *distributions)
        return Environment(folder)

    return make


class Environment:
    def __init__(self, folder):
        self.folder = folder

    def run(self, program, *args, **settings):
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NIC_"))}
        command = [self.folder / "bin" / program, *args]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=clean, **settings)

    def packages(self):
        listed = uv("pip", "list", "--python", self.folder).stdout.splitlines()[2:]
        return {line.split()[0] for line in listed}


def fastest(run, times=5):
    """The shortest of some runs: what the command takes when nothing else does."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        done = run()
        took.append(time.perf_counter() - start)
        assert done.returncode == 0, done.stderr
    return min(took)


GOLDEN = ROOT / "plugins/nic-mini/tests/golden"


def test_core_alone_is_light_and_quick(make_environment):
    environment = make_environment("nic-core")
    assert "torch" not in environment.packages()
    golden = next(GOLDEN.glob("*.nic"))
    for command in (["codecs"], ["plugins"], ["info", golden]):
        assert fastest(lambda command=command: environment.run("nic", *command)) < 0.5, command
    done = environment.run("nic", "decode", golden, "-o", environment.folder / "x.png")
    assert done.returncode == 1
    assert "pip install nic-mini" in done.stderr


def test_core_and_one_codec_encode_and_decode(make_environment, tmp_path):
    environment = make_environment("nic-core", "nic-tbtc")
    assert {"nic-nn", "torch"} <= environment.packages()
    assert "nic-mini" not in environment.packages()
    script = (
        "import sys, torch; from pathlib import Path;"
        "from nic_core.weights import WeightsInfo; from nic_nn.export import export;"
        "from nic_tbtc.recipe import TbtcRecipe;"
        "torch.manual_seed(0);"
        "model = TbtcRecipe(codec='tbtc-conv-hyperprior', size='S').build_model();"
        "export(model, Path(sys.argv[1]), WeightsInfo('tbtc-conv-hyperprior', 'untrained', {}, '', ''))"
    )
    weights = tmp_path / "untrained.safetensors"
    made = environment.run("python", "-W", "ignore", "-c", script, weights)
    assert made.returncode == 0, made.stderr
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    codec = ("--codec", "tbtc-conv-hyperprior", "--weights", weights)
    encoded = environment.run("nic", "encode", tmp_path / "a.png", "-o", tmp_path / "a.nic", *codec)
    assert encoded.returncode == 0, encoded.stderr
    decoded = environment.run("nic", "decode", tmp_path / "a.nic", "-o", tmp_path / "b.png", "--weights", weights)
    assert decoded.returncode == 0, decoded.stderr
    assert Image.open(tmp_path / "b.png").size == (50, 40)


def test_the_whole_set_installs_together(make_environment):
    environment = make_environment("nic-core", "nic-mini[train]", "nic-train", "nic-eval")
    done = environment.run("nic", "plugins")
    assert done.returncode == 0
    assert "failed" not in done.stdout
    assert "mini" in environment.run("nic", "train", "--list").stdout
    pictures = environment.folder / "pictures"
    pictures.mkdir()
    picture, coded = pictures / "a.png", environment.folder / "a.nic"
    Image.new("RGB", (90, 70), (200, 90, 10)).save(picture)
    encoded = environment.run("nic", "encode", picture, "-o", coded)  # with the weights in the wheel
    assert encoded.returncode == 0, encoded.stderr
    assert environment.run("nic", "decode", coded, "-o", environment.folder / "b.png").returncode == 0
    report = environment.folder / "report"
    command = ("eval", "--data", picture.parent, "--codec", "mini", "--baseline", "jpeg", "--metrics", "psnr")
    measured = environment.run("nic", *command, "--qualities", "20,80", "--out", report)
    assert measured.returncode == 0, measured.stderr
    assert (report / "report.html").stat().st_size > 50_000
    runs = environment.folder / "run"
    command = ("train", "mini", "--data", picture.parent, "--out", runs, "--steps", 1, "--set", "crop=64")
    trained = environment.run("nic", *command, "--set", "batch=1", "--precision", "fp32")
    assert trained.returncode == 0, trained.stderr


def test_baselines_are_measured_without_any_codec(make_environment):
    environment = make_environment("nic-core", "nic-eval")
    assert "nic-nn" not in environment.packages()
    pictures = environment.folder / "pictures"
    pictures.mkdir()
    Image.linear_gradient("L").convert("RGB").save(pictures / "a.png")
    command = ("eval", "--data", pictures, "--baseline", "jpeg,webp,jpeg2000", "--out", environment.folder / "report")
    done = environment.run("nic", *command)
    assert done.returncode == 0, done.stderr
    points = (environment.folder / "report" / "points.csv").read_text()
    assert all(f"\n{name},baseline," in points for name in ("jpeg", "webp", "jpeg2000"))
