"""`nic encode --effort` with the default codec: cheaper files that decode anywhere, kept when Ctrl-C comes."""

import math
import signal
from dataclasses import replace
from pathlib import Path

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_core.cli import run
from nic_core.errors import BadOption
from nic_core.host.codec import Codec
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_core.weights import WeightsInfo
from nic_nn.refinement.objective import Objective
from nic_nn.weights.export import export
from nic_tbtc.config import TbtcConfig
from nic_tbtc.model import Tbtc
from skimage import data

PICTURE = np.ascontiguousarray(data.coffee()[100:228, 200:328])


@pytest.fixture(scope="module")
def codec() -> Codec:
    return nic.load("mini", device="cpu")


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a picture in the current folder."""
    monkeypatch.chdir(tmp_path)
    image_files.write(Picture(PICTURE), tmp_path / "photo.png")
    return tmp_path / "photo.png"


def cost(codec: Codec, file: bytes, quality: float = 50.0) -> float:
    """Return lambda * 255^2 * MSE + bits per pixel of a file, as any runtime decodes it."""
    lmbda = codec.model.lambda_of(torch.tensor(quality)).item()
    error = np.mean(np.square(codec.decode_picture(file).pixels.astype(float) - PICTURE))
    return lmbda * error + 8 * len(file) / PICTURE[..., 0].size


def test_a_file_costs_less_on_the_command_line(codec: Codec, photo: Path) -> None:
    assert run(["encode", "photo.png", "-o", "plain.nic"]) == 0
    assert run(["encode", "photo.png", "-o", "none.nic", "--effort", "0"]) == 0
    assert run(["encode", "photo.png", "-o", "more.nic", "--effort", "2", "--runtime", "torch"]) == 0
    plain, none, more = (Path(name).read_bytes() for name in ("plain.nic", "none.nic", "more.nic"))
    assert plain == none == codec.encode(PICTURE)
    assert cost(codec, more) < 0.98 * cost(codec, plain)
    assert run(["decode", "more.nic", "-o", "back.png"]) == 0


def test_the_same_comes_out_twice(codec: Codec) -> None:
    first = codec.encode(PICTURE, effort=1)
    torch.manual_seed(99)
    assert codec.encode(PICTURE, effort=1) == first
    batch = list(codec.encode_batch([PICTURE, PICTURE], effort=1))
    assert batch == [first, first]


def test_onnxruntime_is_refused_in_one_line(photo: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["encode", "photo.png", "--effort", "1", "--runtime", "onnx"]) == 1
    expected = "nic: photo.png: effort needs torch, onnxruntime cannot do it: leave out the one or the other"
    assert capsys.readouterr().err.strip() == expected
    assert not Path("photo.nic").exists()


def test_ctrl_c_keeps_the_best_so_far(
    codec: Codec, photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    relaxed, steps = Objective.relaxed, []

    def pressed(self: Objective, *values: torch.Tensor) -> torch.Tensor:
        steps.append(1)
        if len(steps) == 4:
            signal.raise_signal(signal.SIGINT)
        return relaxed(self, *values)

    monkeypatch.setattr(Objective, "relaxed", pressed)
    assert run(["encode", "photo.png", "--effort", "9"]) == 0
    assert "photo.png: the search was ended at step 4 of 110: the best so far is kept" in capsys.readouterr().err
    file = Path("photo.nic").read_bytes()
    assert cost(codec, file) < cost(codec, codec.encode(PICTURE))


def test_targets_are_met_at_an_effort(codec: Codec) -> None:
    def psnr(file: bytes) -> float:
        error = np.mean(np.square(codec.decode_picture(file).pixels.astype(float) - PICTURE))
        return 10 * math.log10(255**2 / error)

    target = nic.Target("psnr", 32.0)
    plain, more = (codec.encode(PICTURE, target=target, effort=effort) for effort in (0, 1))
    assert psnr(more) >= 32
    assert len(more) < len(plain)


def test_tiles_gray_and_deep_pictures_have_it(codec: Codec) -> None:
    wide = np.tile(PICTURE, (1, 2, 1))
    plain, more = (codec.encode(wide, tile=128, effort=effort) for effort in (0, 2))
    assert nic.inspect(more).tiling is not None

    def total(file: bytes) -> float:
        error = np.mean(np.square(codec.decode_picture(file).pixels.astype(float) - wide))
        return codec.model.lambda_of(torch.tensor(50.0)).item() * error + 8 * len(file) / wide[..., 0].size

    assert total(more) < 0.98 * total(plain)
    for pixels in (PICTURE[..., :1], PICTURE.astype(np.uint16) * 257):
        file = codec.encode(pixels, effort=3)
        assert file != codec.encode(pixels)
        assert codec.decode_picture(file).pixels.shape == pixels.shape


def test_weights_that_state_no_lambda_say_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, path = Tbtc(TbtcConfig("conv", "charm", (32,) * 4, (32,) * 2)).eval(), tmp_path / "w.safetensors"
    info = WeightsInfo("tbtc-conv-charm", "mine", {}, "", "")
    export(model, path, info)
    with pytest.raises(BadOption, match="an effort needs the lambda that mine was trained for"):
        nic.load("tbtc-conv-charm", path).encode(PICTURE, effort=1)
    known = tmp_path / "known.safetensors"
    export(model, known, replace(info, lmbda=0.2, provenance={"values": {"metric": "ms-ssim"}}))
    loaded = nic.load("tbtc-conv-charm", known)
    assert loaded.opened(loaded.weights[0], "torch").tradeoff(None) == pytest.approx(0.2 / 1300)


def test_rates_are_estimated_without(codec: Codec) -> None:
    opened = codec.opened(codec.weights[0], "torch")
    with pytest.raises(BadOption, match="leave the effort out"):
        opened.estimate(PICTURE, 50.0, {"effort": 1}, {})
