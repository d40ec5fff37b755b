"""Graphs in weights files: onnxruntime gives what torch gives, and what does not fit is refused."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import nic_core as nic
import numpy as np
import pytest
from nic_core import plugins, weights
from nic_core.errors import BadOption, BadWeights, NicError
from nic_core.pictures.picture import Picture
from nic_core.weights import WeightsInfo, read_info
from nic_core.weights.verification import verify
from nic_latent.graph_codec import GraphCodec
from nic_latent.orders.context import Order, at_once
from nic_nn.codec import LatentCodec
from nic_nn.testing import Tiny, TinyConfig, tiny
from nic_nn.weights.export import export
from safetensors.torch import load_file, save_file


class TinyCodec(LatentCodec):
    @staticmethod
    def build(config: dict[str, Any]) -> Tiny:
        return Tiny(TinyConfig(**config))


class TinyGraphs(GraphCodec):
    def coding(self, config: dict[str, Any]) -> tuple[Order, int]:
        return at_once, TinyConfig(**config).main


Put = Callable[..., Path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights with graphs."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NIC_GRAPHS", raising=False)
        export(tiny(), path, WeightsInfo("tiny", "t", {}, "", "", quality=50.0))
    return path


@pytest.fixture
def put(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Make the codec `tiny` known, which both runtimes have; the function stores its weights with other tensors."""
    module = ModuleType("tiny_graphs_of_tests")
    module.TinyCodec, module.TinyGraphs = TinyCodec, TinyGraphs
    monkeypatch.setitem(sys.modules, module.__name__, module)
    spec = nic.CodecSpec("tiny", f"{module.__name__}:TinyCodec", "For tests.", graphs=f"{module.__name__}:TinyGraphs")
    plugin = plugins.Plugin("tiny", "nic-tiny", "1", {"nic_codecs": (spec,)})
    monkeypatch.setattr(plugins.discovery, "installed", lambda: (plugin,))
    monkeypatch.setenv("NIC_WEIGHTS", str(tmp_path / "store"))

    def store(change: Callable[[dict[str, Any]], Any] = lambda tensors: None) -> Path:
        tensors, path = load_file(exported), tmp_path / "changed.safetensors"
        change(tensors)
        save_file(tensors, path, read_info(exported).to_metadata())
        return Path(weights.add(path).location)

    return store


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (65, 130)])
def test_both_runtimes_agree(put: Put, size: tuple[int, int], channels: int, dtype: type) -> None:
    put()
    generator = np.random.default_rng(sum(size))
    picture = Picture(generator.integers(0, np.iinfo(dtype).max, (*size, channels), dtype))
    by_torch, by_graphs = (nic.load("tiny", device="cpu", runtime=runtime) for runtime in ("torch", "onnx"))
    data = by_torch.encode(picture)
    assert by_graphs.encode(picture) == data
    pixels = [codec.decode_picture(data).pixels.astype(int) for codec in (by_torch, by_graphs)]
    assert np.abs(pixels[0] - pixels[1]).max() <= (1 if dtype is np.uint8 else 16)
    assert (by_torch.runtimes, by_graphs.runtimes) == ("torch", "onnxruntime")


def test_graphs_are_small_and_under_no_fingerprint(exported: Path, tmp_path: Path) -> None:
    tensors = load_file(exported)
    assert set(json.loads(bytes(tensors["graphs.tensors"].numpy()))) == {"analysis", "synthesis"}
    assert sum(value.numel() for name, value in tensors.items() if name.startswith("graphs.")) < 10_000
    without = tmp_path / "without.safetensors"
    export(tiny(), without, WeightsInfo("tiny", "t", {}, "", "", quality=50.0))
    ids = [(info.entropy_id, info.synthesis_id) for info in map(verify, (exported, without))]
    assert ids[0] == ids[1]
    assert read_info(exported).provenance["graphs"] == "analysis, synthesis"
    assert "NIC_GRAPHS=0" in read_info(without).provenance["graphs"]


def test_by_itself_it_runs_graphs_on_a_cpu(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put()
    picture = Picture(np.zeros((5, 5, 3), np.uint8))
    codec = nic.load("tiny", device="cpu")
    codec.encode(picture)
    assert codec.runtimes == "onnxruntime"
    assert isinstance(codec.model, Tiny)  # which is torch's, whatever codes
    monkeypatch.setattr("nic_core.host.runtimes.NVIDIA", (__file__,))
    codec = nic.load("tiny")
    codec.encode(picture)
    assert codec.runtimes == "torch"


def without_graphs(tensors: dict[str, Any]) -> None:
    for name in [name for name in tensors if name.startswith("graphs.")]:
        del tensors[name]


def test_weights_without_graphs_run_by_torch_and_get_them(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(without_graphs)
    picture = Picture(np.full((5, 5, 3), 99, np.uint8))
    codec = nic.load("tiny", device="cpu")
    data = codec.encode(picture)
    assert codec.runtimes == "torch"
    with pytest.raises(BadWeights, match="nic weights upgrade"):
        nic.load("tiny", device="cpu", runtime="onnx").encode(picture)
    monkeypatch.delenv("NIC_GRAPHS")
    upgraded = tmp_path / "upgraded.safetensors"
    TinyCodec.upgrade(path, read_info(path), upgraded)
    assert nic.load("tiny", upgraded, "cpu", "onnx").encode(picture) == data
    with pytest.raises(NicError, match="already"):
        TinyCodec.upgrade(upgraded, read_info(upgraded), tmp_path / "again.safetensors")


def test_graphs_with_another_stride_of_y(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put()
    monkeypatch.setattr(TinyGraphs, "y_stride", 8)
    with pytest.raises(BadWeights, match="do not fit, with sides of y 8 times those of z, which is stride / y_stride"):
        nic.load("tiny", device="cpu", runtime="onnx").encode(np.zeros((5, 5, 3), np.uint8))


def cut(name: str) -> Callable[[dict[str, Any]], None]:
    def change(tensors: dict[str, Any]) -> None:
        tensors[name] = tensors[name][:-9].clone()

    return change


@pytest.mark.parametrize("name", ["graphs.synthesis", "graphs.tensors"])
def test_damaged_graphs(put: Put, name: str) -> None:
    put(cut(name))
    codec = nic.load("tiny", device="cpu", runtime="onnx")
    data = nic.load("tiny", device="cpu", runtime="torch").encode(Picture(np.zeros((5, 5, 3), np.uint8)))
    with pytest.raises(BadWeights, match="graph"):
        codec.decode(data)


def test_what_cannot_run_says_so(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put()
    picture = Picture(np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(BadOption, match="runtime"):
        nic.load("tiny", runtime="tensorflow")
    with pytest.raises(NicError, match="no provider"):
        nic.load("tiny", device="mps", runtime="onnx").encode(picture)
    monkeypatch.setattr("nic_core.host.runtimes.find_spec", lambda name: None)
    with pytest.raises(NicError, match="pip install onnxruntime"):
        nic.load("tiny", device="cpu", runtime="onnx").encode(picture)


def test_mini_codes_without_torch(tmp_path: Path) -> None:
    script = """
import sys
for name in ("torch", "nic_nn", "compressai"):
    sys.modules[name] = None
import nic_core, numpy
data = nic_core.encode(numpy.full((40, 50, 3), 99, numpy.uint8), 50)
print(numpy.asarray(nic_core.decode(data)).shape)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "(40, 50, 3)\n"
