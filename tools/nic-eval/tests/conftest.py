"""A small plugin, installed for real into a folder of its own, so that worker processes find it too; no torch in it."""

import sys
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from nic_core import plugins
from nic_core.codec import Estimated
from nic_core.engines.engine import Engine
from nic_core.host.target import Target
from nic_core.weights import WeightsInfo, fingerprint
from nic_eval.contestants.contestant import Contestant, Setting
from nic_eval.measuring import lanes
from nic_eval.measuring.coder import Coded, Coder, judge
from PIL import Image
from safetensors.numpy import save_file

PLUGIN = """
from nic_core.hooks import hookimpl
from nic_core.spec import DECODER, CodecSpec, Option
from nic_core.weights import bundled

api_version = "1.2"
OPTIONS = (
    Option("level", int, 6, "Effort.", minimum=0, maximum=9),
    Option("dies-at", int, 0, "Width of pictures at which the process ends."),
    Option("sleep", float, 0.0, "Seconds that coding takes longer."),
    Option("text", str, "", "What the file holds besides.", table="captions"),
    Option("invert", bool, False, "Turn the picture into its negative.", when="decode"),
)

@hookimpl
def nic_codecs():
    yield CodecSpec("zip", "nic_fake.codec:ZipCodec", "Deflated pixels, any quality.", options=OPTIONS)
    yield CodecSpec("zip-rate", "nic_fake.codec:ZipCodec", "Deflated pixels, two qualities.")
    yield CodecSpec("zip-bare", "nic_fake.codec:ZipCodec", "Deflated pixels, no weights.", options=(DECODER,))
    yield CodecSpec("zip-free", "nic_fake.codec:ZipCodec", "Needs none.", weights=False, quality=(1, 100))
    yield CodecSpec(
        "zip-model", "nic_fake.codec:ModelCodec", "Estimates rates.", weights=False, quality=(1, 100), options=OPTIONS
    )

@hookimpl
def nic_weights():
    yield from bundled("nic_fake")
"""

CODEC = '''
import os
import time
import zlib

import numpy as np
from nic_core.codec import Coded, Estimated, PixelCodec

class ZipCodec(PixelCodec):
    """Rounds to fewer levels the lower the quality is."""

    def compress(self, pixels, quality, options):
        if pixels.shape[1] == options.get("dies_at", 0):
            os._exit(3)
        time.sleep(options.get("sleep", 0))
        step = 101 - int(quality or self.info.quality)
        rounded = np.clip(pixels // step * step + step // 2, 0, 255).astype(np.uint8)
        text = options.get("text", "").encode()
        return Coded((zlib.compress(rounded.tobytes(), options.get("level", 6)),), 0, "zlib", text)

    def decompress(self, units, header, options):
        raw = np.frombuffer(zlib.decompress(units[0]), np.uint8)
        pixels = raw.reshape(header.height, header.width, header.channels)
        return ~pixels if options.get("invert") else pixels

class ModelCodec(ZipCodec):
    """Says what a file will hold without making it: a tenth less, for the header."""

    def estimate(self, pixels, quality, encode, decode):
        if "estimates" in encode["text"]:
            raise ZeroDivisionError("in the model")
        step = 101 - int(quality)
        rounded = np.clip(pixels // step * step + step // 2, 0, 255).astype(np.uint8)
        bits = 7.2 * len(zlib.compress(rounded.tobytes(), encode["level"]))
        return Estimated(bits, ~rounded if decode["invert"] else rounded)
'''


@pytest.fixture
def zip_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the codecs zip (quality 1 to 100), zip-rate (20 and 80), zip-bare (no weights), zip-free (needs none).

    And zip-model, which needs none either and estimates rates.
    """
    site = tmp_path / "site"
    (site / "nic_fake" / "weights").mkdir(parents=True)
    (site / "nic_fake" / "__init__.py").write_text(PLUGIN)
    (site / "nic_fake" / "codec.py").write_text(CODEC)
    info = site / "nic_fake-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nic-fake\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[nic]\nfake = nic_fake\n")
    for name, codec, quality in (("any", "zip", (1.0, 100.0)), ("low", "zip-rate", 20.0), ("high", "zip-rate", 80.0)):
        config = {"name": name}
        tensors = {key: np.zeros(1, np.float32) for key in ("entropy", "g_s.weight", "h_a.weight")}
        ids = [fingerprint({key: tensors[key]}, config) for key in ("entropy", "g_s.weight")]
        record = WeightsInfo(codec, name, config, *ids, quality=quality, rank=1)
        save_file(tensors, site / "nic_fake" / "weights" / f"{name}.safetensors", record.to_metadata())
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("NIC_PLUGINS", "fake,eval")
    monkeypatch.setenv("NIC_WEIGHTS", str(tmp_path / "store"))
    before = set(sys.modules)
    plugins.discovery._installed.cache_clear()
    yield site
    plugins.discovery._installed.cache_clear()
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "nic_fake":
            del sys.modules[name]


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every download of torch's hub fail, with nothing downloaded before."""
    import torch.hub

    def fail(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no network here")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", fail)


@pytest.fixture
def make_picture() -> Callable[..., np.ndarray]:
    """Return a function that makes a picture with slopes and some noise, uint8 (H, W, 3)."""

    def make(height: int = 40, width: int = 48, seed: int = 0) -> np.ndarray:
        noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
        slope = np.linspace(0, 180, width)[None, :, None] + np.linspace(0, 60, height)[:, None, None]
        return np.clip(slope + noise, 0, 255).astype(np.uint8)

    return make


@pytest.fixture
def pictures(tmp_path: Path, make_picture: Callable[..., np.ndarray]) -> Path:
    """Return a folder of three pictures: a.png, b.png (41 wide) and sub/c.png (gray)."""
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(make_picture(seed=1)).save(folder / "a.png")
    Image.fromarray(make_picture(width=41, seed=2)).save(folder / "b.png")
    Image.fromarray(make_picture(seed=3)[..., 0]).save(folder / "sub" / "c.png")
    return folder


class Here:
    """A lane without processes, which counts what it is asked for."""

    calls: ClassVar[Counter[str]] = Counter()
    stop_after: ClassVar[int | None] = None

    def __init__(self, engine: Engine) -> None:
        del engine

    def enter(self, contestant: Contestant) -> None:
        self.coder = Coder(contestant)

    def code(self, source: Path, setting: Setting, target: Path) -> Coded:
        if self.calls["code"] == self.stop_after:
            raise KeyboardInterrupt
        self.calls["code"] += 1
        return self.coder.code(source, setting, target)

    def decode(self, path: Path, setting: Setting) -> np.ndarray:
        self.calls["decode"] += 1
        return self.coder.decode(path, setting)

    def estimate(self, source: Path, setting: Setting) -> Estimated:
        self.calls["estimate"] += 1
        return self.coder.estimate(source, setting)

    def gmacs(self, source: Path, setting: Setting) -> Mapping[str, float]:
        self.calls["gmacs"] += 1
        return {"encode": 1.5}

    def nearest(self, source: Path, target: Target) -> tuple[Setting, str]:
        return self.coder.nearest(source, target)

    def judge(self, names: Sequence[str], source: Path, decoded: np.ndarray) -> dict[str, float]:
        self.calls["judge"] += 1
        return judge(names, source, decoded)

    def unavailable(self, names: Sequence[str]) -> dict[str, str]:
        return {}

    def leave(self, *roles: str) -> None:
        pass


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> type[Here]:
    """Measure in this process."""
    monkeypatch.setattr(lanes, "Lane", Here)
    monkeypatch.setattr(Here, "calls", Counter())
    return Here
