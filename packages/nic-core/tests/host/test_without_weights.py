"""Codecs that need no weights: listed, used, inspected, pickled and kept as those with weights are."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import nic_core as nic
import numpy as np
import pytest
from nic_core import weights
from nic_core.cli import run
from nic_core.errors import BadOption, WeightsNotFound
from nic_core.format.container import File, pack, unpack
from nic_core.host.cache import cache
from nic_core.host.target import Target
from PIL import Image

PLUGIN = """
from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec, WeightsSpec

api_version = "1.0"

@hookimpl
def nic_codecs():
    yield CodecSpec("bits", "nic_bare.codec:Bits", "Some bits of each sample.", weights=False, quality=(10, 90))
    yield CodecSpec("all-bits", "nic_bare.codec:Bits", "All of them.", weights=False)

@hookimpl
def nic_weights():
    yield WeightsSpec("bits", "stray", "nowhere.safetensors", rank=9)
"""
CODEC = """
import zlib
import numpy as np
from nic_core.codec import Coded, PixelCodec

class Bits(PixelCodec):
    def compress(self, pixels, quality, options):
        assert self.path is None and (self.info.quality is None) == (quality is None)
        lost = np.uint64(0 if quality is None else round((100 - quality) / 100 * 7))
        raw = (pixels >> lost << lost).astype(pixels.dtype).tobytes()
        return Coded((zlib.compress(raw),), zlib.crc32(raw), "zlib")

    def decompress(self, units, header, options):
        pixels = np.frombuffer(zlib.decompress(units[0]), np.uint16 if header.bit_depth == 16 else np.uint8)
        return pixels.reshape(header.height, header.width, header.channels)
"""
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


@pytest.fixture(autouse=True)
def bare(install: Callable[..., Path], store: Path) -> None:
    """Install a plugin with a codec that takes a quality and one that takes none."""
    install("nic-bare", {"nic_bare/__init__.py": PLUGIN, "nic_bare/codec.py": CODEC}, "bare = nic_bare")
    cache.clear()


@pytest.mark.parametrize("codec", ["bits", "all-bits"])
def test_there_and_back(codec: str) -> None:
    data = nic.load(codec).encode(PIXELS)
    head = nic.inspect(data)
    assert (head.entropy_id, head.synthesis_id) == ("00000000", "00000000")
    assert head.quality == (50.0 if codec == "bits" else None)
    assert np.abs(nic.decode_picture(data).pixels.astype(int) - PIXELS).max() <= (15 if codec == "bits" else 0)
    assert nic.load(codec).model is None


def test_quality_is_what_the_codec_declares(caplog: pytest.LogCaptureFixture) -> None:
    codec = nic.load("bits")
    assert codec.ladder[0] == 10 and codec.ladder[-1] == 90
    assert nic.inspect(codec.encode(PIXELS, 100)).quality == 90
    assert "quality 90 taken, the nearest to 100 that bits has" in caplog.text
    sizes = [len(codec.encode(PIXELS, quality)) for quality in (10, 50, 90)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]
    assert len(codec.encode(PIXELS, target=Target("size", sizes[1]))) <= sizes[1]


def test_a_codec_that_takes_no_quality_says_so(caplog: pytest.LogCaptureFixture) -> None:
    codec = nic.load("all-bits")
    assert codec.encode(PIXELS, 30) == codec.encode(PIXELS)
    assert "quality 30 makes no difference: all-bits takes none" in caplog.text
    with pytest.raises(BadOption, match="all-bits has no ladder of qualities to search here: it has a single rate"):
        codec.encode(PIXELS, target=Target("size", 100))


def test_a_codec_without_a_model_of_its_rate_says_so() -> None:
    codec = nic.load("bits")
    with pytest.raises(BadOption, match=r"^bits does not estimate rates$"):
        codec.opened(codec.weights[0]).estimate(PIXELS, 50, {}, {})


def test_weights_are_not_wanted(tmp_path: Path) -> None:
    for named in ("stray", "none needed", tmp_path / "w.safetensors"):
        with pytest.raises(BadOption, match="bits needs no weights: name none"):
            nic.load("bits", named)
    (only,) = nic.load("bits").weights
    assert (only.location, only.quality, only.rank) == ("", (10, 90), 0)
    with pytest.raises(BadOption, match="bits has no graphs for onnxruntime"):
        nic.load("bits", runtime="onnx").encode(PIXELS)


def test_never_the_default_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsNotFound, match="no default codec is installed"):
        weights.default_codec()
    monkeypatch.setenv("NIC_CODEC", "bits")
    assert nic.inspect(nic.encode(PIXELS)).codec == "bits"


def test_pickles_and_the_cache() -> None:
    codec = nic.load("bits")
    data = codec.encode(PIXELS)
    again = pickle.loads(pickle.dumps(codec))
    assert again.encode(PIXELS) == data
    assert len(cache) == 1
    nic.load("all-bits").encode(PIXELS)  # by the same class, but not the same codec
    assert len(cache) == 2
    codec.close()
    assert len(cache) == 1


def test_a_file_of_one_with_weights() -> None:
    file = unpack(nic.load("bits").encode(PIXELS))
    other = pack(File(type(file.header)(**{**vars(file.header), "entropy_id": "12345678"}), file.units))
    with pytest.raises(WeightsNotFound, match="made by another bits: one with weights, entropy model 12345678"):
        nic.decode(other)


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PIXELS).save("a.png")
    assert run(["codecs"]) == 0
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    assert all("none needed" in row for row in rows[1:]) and len(rows) == 3
    assert run(["codecs", "--json"]) == 0
    assert [row["weights"] for row in json.loads(capsys.readouterr().out)] == [False, False]
    assert run(["encode", "a.png", "--codec", "all-bits"]) == 0
    assert run(["info", "a.nic"]) == 0
    assert "weights       none needed" in capsys.readouterr().out
    assert run(["decode", "a.nic", "-o", "b.png"]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open("b.png")), PIXELS)
    assert run(["encode", "a.png", "--codec", "bits@stray", "-o", "c.nic"]) == 1
    assert "bits needs no weights: name none" in capsys.readouterr().err
    assert run(["weights"]) == 0
    assert "no weights are installed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"quality": (1, 100)}, "the quality of a codec with weights is stated by these"),
        ({"weights": False, "graphs": "a:B"}, "a codec without weights has no graphs and no fingerprints"),
        ({"weights": False, "fingerprints": "a:b"}, "a codec without weights has no graphs and no fingerprints"),
        ({"weights": False, "quality": (0, 100)}, "a quality ranges from 1 to 100, rising"),
        ({"weights": False, "quality": (50, 50)}, "a quality ranges from 1 to 100, rising"),
        ({"weights": False, "quality": (90, 10)}, "a quality ranges from 1 to 100, rising"),
    ],
)
def test_records_that_contradict_themselves(fields: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        nic.CodecSpec("x", "a:B", "X.", **fields)
