"""Transforms in bfloat16, of every codec of latents: which layers they are, and that no symbol depends on it."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_cca.config import CcaConfig
from nic_cca.model import Cca
from nic_core.errors import BadOption
from nic_core.host.cache import Cache
from nic_core.weights import WeightsInfo
from nic_egic.config import EgicConfig
from nic_egic.model import Egic
from nic_nn import bfloat16
from nic_nn.bfloat16 import PRODUCTS, to_bfloat16
from nic_nn.model import LatentModel
from nic_nn.weights.export import export
from nic_taco.config import TacoConfig
from nic_taco.model import Taco
from nic_tbtc.config import TbtcConfig
from nic_tbtc.model import Tbtc
from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.model import Tcm
from nic_textsketch.config import SketchConfig
from nic_textsketch.sketches.model import SketchModel
from skimage import data

WIDE = 64
"""More channels than what stands beside a picture may have."""
MODELS: dict[str, Callable[[], LatentModel]] = {
    "tbtc-conv-charm": lambda: Tbtc(TbtcConfig("conv", "charm", (WIDE,) * 4, (WIDE,) * 2)),
    "tbtc-swint-charm": lambda: Tbtc(TbtcConfig("swint", "charm", (WIDE,) * 4, (WIDE,) * 2, (2, 1, 1, 1), (1, 1))),
    "tcm": lambda: Tcm(TcmConfig(WIDE, depths=(1,) * 6)),
    "cca": lambda: Cca(CcaConfig.of(width=WIDE, depth=1)),
    "taco": lambda: Taco(replace(TacoConfig(), width=2 * WIDE)),
    "egic": lambda: Egic(EgicConfig.of(WIDE, orp=True)),
    "textsketch-ntc": lambda: SketchModel(SketchConfig(2 * WIDE)),
}


@pytest.fixture(params=list(MODELS))
def model(request: pytest.FixtureRequest) -> LatentModel:
    torch.manual_seed(0)
    return MODELS[request.param]().eval()


def lowered(module: torch.nn.Module) -> list[str]:
    return [name for name, value in module.named_parameters() if value.dtype == torch.bfloat16]


def test_products_inside_the_transforms_are_lowered(model: LatentModel) -> None:
    to_bfloat16(model)
    names = lowered(model)
    assert names and all(name.startswith(("g_a.", "g_s.")) for name in names)
    for transform in (model.g_a, model.g_s):
        products = [one for one in transform.modules() if isinstance(one, PRODUCTS)]
        assert 0.5 * len(products) <= sum(one.weight.dtype == torch.bfloat16 for one in products) < len(products)


@torch.inference_mode()
def test_values_stay_near_and_in_float32(model: LatentModel) -> None:
    x = torch.from_numpy(data.astronaut()[:128, :192] / 255).permute(2, 0, 1)[None].float()
    y = model.analyse(x)
    y_hat = torch.round(8 * y)
    x_hat = model.synthesise(y_hat)
    to_bfloat16(model)
    for exact, near in ((y, model.analyse(x)), (x_hat, model.synthesise(y_hat))):
        assert near.dtype == torch.float32
        assert 0 < (near - exact).std() < 0.03 * exact.std()


@torch.inference_mode()
def test_strips_by_threads_compute_in_it_too() -> None:
    stage = MODELS["tbtc-swint-charm"]().eval()
    to_bfloat16(stage)
    y_hat, before, found = torch.randn(1, WIDE, 24, 40), torch.get_num_threads(), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found.append(stage.synthesise(y_hat))
    torch.set_num_threads(before)
    assert (found[0] - found[1]).abs().max() < 1e-2 * found[0].std()


def psnr(pixels: np.ndarray, picture: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((pixels.astype(float) - picture) ** 2)))


@pytest.mark.parametrize("quality", [20, 90])
def test_what_mini_makes_is_as_good(quality: int) -> None:
    picture = data.coffee()[:256, :384]
    exact, lower = (nic.load("mini", device="cpu", runtime=runtime) for runtime in ("torch", "torch-bf16"))
    coded = exact.encode(picture, quality)
    known, near = (codec.decode_picture(coded).pixels for codec in (exact, lower))
    assert 0 < np.abs(known.astype(int) - near).max() <= 4
    assert abs(psnr(known, picture) - psnr(near, picture)) < 0.01
    other = lower.encode(picture, quality)
    assert abs(len(other) - len(coded)) < 0.01 * len(coded)
    assert abs(psnr(exact.decode_picture(other).pixels, picture) - psnr(known, picture)) < 0.02
    assert lower.runtimes == "torch-bf16"
    assert not lowered(lower.model), "the model that others look at is the exact one"


def test_weights_of_one_codec_are_opened_for_either(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "random.safetensors"
    export(MODELS["tbtc-conv-charm"]().eval(), path, WeightsInfo("tbtc-conv-charm", "random", {}, "", ""))
    cache = Cache(1 << 30)
    codecs = [nic.load("tbtc-conv-charm", path, "cpu", runtime, cache) for runtime in ("torch", "torch-bf16", "torch")]
    picture = data.coffee()[:70, :90]
    files = [codec.encode(picture) for codec in codecs]
    assert files[0] == files[2] and len(cache) == 2
    pixels = [codec.decode_picture(files[1]).pixels for codec in codecs]
    assert (pixels[0] == pixels[2]).all()


def test_a_processor_that_imitates_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu avx2\n")
    monkeypatch.setattr(bfloat16, "CPU_INFO", tmp_path / "cpuinfo")
    with caplog.at_level(logging.WARNING, "nic"):
        codec = nic.load("mini", device="cpu", runtime="torch-bf16", cache=Cache(1))
        codec.opened(codec.weights[0])
    assert "only imitates bfloat16" in caplog.text


def test_a_codec_without_transforms_in_torch_refuses() -> None:
    codec = nic.load("textsketch-pics", device="cpu", runtime="torch-bf16")
    with pytest.raises(BadOption, match="nothing to compute in bfloat16"):
        codec.encode(data.coffee()[:64, :64])
