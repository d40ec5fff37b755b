"""Weights whose entropy model is in floating point: they read what was made with them, and become integers."""

from pathlib import Path

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_core import weights
from nic_core.cli import run
from nic_core.errors import BadWeights
from nic_nn.pixels import to_tensor
from PIL import Image

GOLDEN = Path(__file__).parent / "golden"
OLD = GOLDEN / "tiny.safetensors"


@pytest.fixture
def upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Path:
    """Return the golden weights in integers, made at the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    assert run(["weights", "upgrade", str(OLD), "-o", "new.safetensors"]) == 0
    out = capsys.readouterr().out
    assert "its integers: ranges from 4 pictures of scikit-image; 0 of " in out
    assert "values on 3 other pictures were limited" in out
    return tmp_path / "new.safetensors"


def test_old_weights_write_nothing() -> None:
    codec = nic.load("mini", OLD, device="cpu")
    assert codec.decode((GOLDEN / "rgb.nic").read_bytes()).size == (70, 45)
    with pytest.raises(BadWeights, match=r"it only reads files .* nic weights upgrade"):
        codec.encode(np.zeros((8, 8, 3), np.uint8))


def test_upgraded_weights_write_files_that_name_them(upgraded: Path) -> None:
    codec = nic.load("mini", upgraded, device="cpu")
    picture = Image.open(GOLDEN / "rgb.png").convert("RGB")
    data = codec.encode(picture)
    assert nic.inspect(data).entropy_id == weights.read_info(upgraded).entropy_id
    assert nic.inspect(data).entropy_id != weights.read_info(OLD).entropy_id
    x = to_tensor(np.asarray(picture), 64, torch.device("cpu"))
    with torch.inference_mode():
        expected = nic.load("mini", OLD, device="cpu").model(x, 50.0)["x_hat"][..., :45, :70]
    decoded = to_tensor(np.asarray(codec.decode(data)), 1, torch.device("cpu"))
    assert (decoded - expected.clamp(0, 1)).abs().mean() < 1 / 255


def test_integers_can_be_those_of_other_weights(upgraded: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["weights", "upgrade", str(OLD), "-o", "same.safetensors", "--integers-of", str(upgraded)]) == 0
    assert "its integers: those of mini " in capsys.readouterr().out
    assert weights.read_info(Path("same.safetensors")).entropy_id == weights.read_info(upgraded).entropy_id
    assert run(["weights", "upgrade", str(OLD), "-o", "other.safetensors", "--integers-of", str(OLD)]) == 1
    assert "has no integers to take" in capsys.readouterr().err
    both = ["--calibrate", str(GOLDEN), "--integers-of", str(upgraded)]
    assert run(["weights", "upgrade", str(OLD), "-o", "other.safetensors", *both]) == 1
    assert "--calibrate and --integers-of do not go together" in capsys.readouterr().err
    assert not Path("other.safetensors").exists()
    assert run(["weights", "upgrade", str(OLD), "-o", "other.safetensors", "--calibrate", str(GOLDEN)]) == 0
    assert "ranges and tables from 6 pictures of golden" in capsys.readouterr().out
