"""Graphs of whole models hold for other sizes than the one that they were traced at."""

from collections.abc import Callable
from pathlib import Path

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_cca.config import CcaConfig
from nic_cca.model import Cca
from nic_core.weights import WeightsInfo
from nic_nn.export import export
from nic_nn.model import LatentModel
from nic_tbtc.config import TbtcConfig
from nic_tbtc.model import Tbtc
from nic_textsketch.config import SketchConfig
from nic_textsketch.sketches.model import SketchModel
from skimage import data

MODELS: dict[str, Callable[[], LatentModel]] = {
    "tbtc-conv-charm": lambda: Tbtc(TbtcConfig("conv", "charm", (32,) * 4, (32,) * 2)),
    "cca": lambda: Cca(CcaConfig.of(width=16, depth=1)),
    "textsketch-ntc": lambda: SketchModel(SketchConfig(16)),
}


@pytest.mark.parametrize("codec", list(MODELS))
def test_both_runtimes_agree_at_other_sizes(codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIC_GRAPHS", raising=False)
    torch.manual_seed(0)
    path = tmp_path / "random.safetensors"
    export(MODELS[codec]().eval(), path, WeightsInfo(codec, "random", {}, "", ""))
    by_torch, by_graphs = (nic.load(codec, path, device="cpu", runtime=runtime) for runtime in ("torch", "onnx"))
    for picture in (data.coffee()[:60, :50], data.coffee()[:390, :520]):
        coded = by_torch.encode(picture)
        assert abs(len(by_graphs.encode(picture)) - len(coded)) <= 0.01 * len(coded) + 4
        pixels = [decoder.decode_picture(coded).pixels.astype(int) for decoder in (by_torch, by_graphs)]
        assert np.abs(pixels[0] - pixels[1]).max() <= 1
