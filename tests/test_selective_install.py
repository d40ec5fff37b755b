"""What a user gets from a few wheels in a clean environment; `test_distributions.py` installs each alone."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]


def processor_seconds(run, times=5):
    """What the shortest of some runs takes of a processor: its time on the clock depends on what else runs."""
    took = []
    for _ in range(times):
        before = os.times()
        done = run()
        assert done.returncode == 0, done.stderr
        after = os.times()
        took.append(sum(after[2:4]) - sum(before[2:4]))
    return min(took)


GOLDEN = ROOT / "plugins/nic-mini/tests/golden"


def test_core_alone_is_light_and_quick(make_environment):
    environment = make_environment("nic-core")
    assert "torch" not in environment.packages()
    golden = next(GOLDEN.glob("*.nic"))
    for command in (["codecs"], ["plugins"], ["info", golden]):
        assert processor_seconds(lambda command=command: environment.run("nic", *command)) < 0.5, command
    assert processor_seconds(lambda: environment.run("nic", "--version")) < 0.25
    done = environment.run("nic", "decode", golden, "-o", environment.folder / "x.png")
    assert done.returncode == 1
    assert "pip install nic-mini" in done.stderr


def test_core_and_one_codec_encode_and_decode(make_environment, tmp_path):
    environment = make_environment("nic-core", "nic-tbtc")
    assert {"nic-nn", "torch"} <= environment.packages()
    assert "nic-mini" not in environment.packages()
    script = (
        "import sys, torch; from pathlib import Path;"
        "from nic_core.weights import WeightsInfo; from nic_nn.weights.export import export;"
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
