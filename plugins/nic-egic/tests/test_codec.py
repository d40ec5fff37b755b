"""Files: any picture round-trips, and weights that share an entropy model read each other's at any realism."""

import subprocess
import sys

import nic_core as nic
import numpy as np
import pytest
from egic_reference import small_model
from nic_core.errors import BadOption
from nic_core.weights import WeightsInfo, read_info
from nic_nn.weights.export import export
from PIL import Image

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Paths of weights without and with output residual prediction."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {"gan": folder / "gan.safetensors", "orp": folder / "orp.safetensors"}
    for name, path in paths.items():
        export(small_model(orp=name == "orp"), path, WeightsInfo("egic", name, {}, "", ""))
    return paths


def test_weights_of_one_entropy_model_read_each_others_files(weights):
    infos = {name: read_info(path) for name, path in weights.items()}
    assert infos["gan"].entropy_id == infos["orp"].entropy_id
    assert infos["gan"].synthesis_id != infos["orp"].synthesis_id
    gan, orp = (nic.load("egic", weights=path, device="cpu") for path in weights.values())
    data = gan.encode(RANDOM.integers(0, 256, (60, 100, 3), dtype=np.uint8))
    expected = np.asarray(gan.decode(data))
    assert np.array_equal(np.asarray(orp.decode(data)), expected)
    assert np.array_equal(np.asarray(orp.decode(data, realism=1)), expected)
    assert np.array_equal(np.asarray(gan.decode(data, realism=1.0)), expected)
    other = np.asarray(orp.decode(data, realism=0))
    assert not np.array_equal(other, expected)
    between = np.asarray(orp.decode(data, realism=0.5)).astype(int)
    inside = (expected > 0) & (expected < 255) & (other > 0) & (other < 255)  # others were clipped
    assert inside.any()
    assert np.abs(between - (expected.astype(int) + other) / 2)[inside].max() <= 1


@pytest.mark.parametrize(
    ("kind", "realism", "message"),
    [
        ("orp", 1.5, "realism must be 0 to 1"),
        ("orp", -0.1, "realism must be 0 to 1"),
        ("orp", "nan", "realism must be 0 to 1"),
        ("gan", 0.5, "output residual prediction"),
        ("gan", 0, "output residual prediction"),
    ],
)
def test_a_realism_that_cannot_be_had_is_refused(kind, realism, message, weights):
    codec = nic.load("egic", weights=weights[kind], device="cpu")
    data = codec.encode(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(BadOption, match=message) as caught:
        codec.decode(data, realism=realism)
    assert "\n" not in str(caught.value)


def nic_command(*arguments):
    """Run `nic` in a process of its own: flags are those of the codecs installed when it starts."""
    return subprocess.run([sys.executable, "-m", "nic_core", *map(str, arguments)], capture_output=True, text=True)


def test_realism_on_the_command_line(weights, tmp_path):
    picture, coded, decoded = tmp_path / "a.png", tmp_path / "a.nic", tmp_path / "b.png"
    Image.fromarray(RANDOM.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(picture)
    assert nic_command("encode", picture, "-o", coded, "--codec", "egic", "--weights", weights["gan"]).returncode == 0
    decode = ["decode", coded, "-o", decoded, "--realism", "0.5", "--weights"]
    assert nic_command(*decode, weights["orp"]).returncode == 0
    assert Image.open(decoded).size == (50, 40)
    refused = nic_command(*decode, weights["gan"], "--overwrite")
    assert refused.returncode == 1
    assert "output residual prediction" in refused.stderr and len(refused.stderr.splitlines()) == 1
