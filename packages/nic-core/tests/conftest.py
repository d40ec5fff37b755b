"""A small plugin, installed for real into a folder of its own: core is tested without torch."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from nic_core import plugins
from nic_core.host.cache import cache as opened_codecs
from nic_core.weights import WeightsInfo, fingerprint
from safetensors.numpy import save_file

PLUGIN = """
from nic_core.hooks import hookimpl
from nic_core.spec import DECODER, CodecSpec, CommandSpec, ImporterSpec, Option, RecipeSpec
from nic_core.weights import bundled

api_version = "1.2"
OPTIONS = (
    Option("level", int, 6, "Effort.", minimum=0, maximum=9, table="level-table"),
    Option("text", str, None, "A caption.", table="captions"),
    Option("invert", bool, False, "Turn the picture into its negative.", when="decode"),
)

@hookimpl
def nic_codecs():
    yield CodecSpec("zip", "nic_fake.codec:ZipCodec", "Deflated pixels, any quality.", options=OPTIONS)
    yield CodecSpec("zip-rate", "nic_fake.codec:ZipCodec", "Deflated pixels, [two] qualities.")
    yield CodecSpec("zip-bare", "nic_fake.codec:ZipCodec", "Deflated pixels, no weights.", options=(DECODER,))

@hookimpl
def nic_weights():
    yield from bundled("nic_fake")

@hookimpl
def nic_importers():
    yield ImporterSpec("zip", "nic_fake.codec:take_over", "Copies a file.")

@hookimpl
def nic_recipes():
    yield RecipeSpec("zip", "zip", "nic_fake.codec:Recipe", "Nothing to train.")

@hookimpl
def nic_commands():
    yield CommandSpec("hello", "nic_fake.codec:hello", "Say hello.")
"""

CODEC = '''
import shutil
import zlib

import click
import numpy as np
from nic_core.codec import Coded, PixelCodec
from nic_core.errors import DamagedFile
from nic_core.progress import keep, note, track

class ZipCodec(PixelCodec):
    """Keeps the top bits that the quality allows; 100 keeps all."""

    def compress(self, pixels, quality, options):
        self.last = (quality, options)
        raw = pixels.astype(f"<u{pixels.itemsize}").tobytes()
        text = (options.get("text") or "").encode()
        for _ in track("abc", "zipping"):
            pass
        if text:
            note(f"it says {text.decode()}")
            keep(".shape.txt", lambda: str(pixels.shape).encode())
        return Coded((zlib.compress(raw, options.get("level", 6)),), zlib.crc32(raw), "zlib", text)

    def decompress(self, units, header, options):
        try:
            raw = zlib.decompress(units[0])
        except zlib.error as error:
            raise DamagedFile(str(error)) from error
        if zlib.crc32(raw) & 0xFFFF != header.checksum:
            raise DamagedFile("the pixels are not those that were coded")
        pixels = np.frombuffer(raw, f"<u{header.bit_depth // 8}")
        pixels = pixels.reshape(header.height, header.width, header.channels)
        return ~pixels if options.get("invert") else pixels

    def parts(self, units, header, options):
        return {".text.txt": header.params} if header.params else {}

def take_over(codec, source, target):
    shutil.copyfile(source, target)

@click.command()
def hello():
    click.echo("hello")
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Return a function that installs a distribution with one entry point: (distribution, files, entry point)."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))  # for processes that a test starts
    monkeypatch.delenv("NIC_DISABLE_PLUGINS", raising=False)
    names: list[str] = []
    before = set(sys.modules)

    def put(distribution: str, files: dict[str, str], entry: str) -> Path:
        for name, text in files.items():
            path = site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[nic]\n{entry}\n")
        names.append(entry.partition("=")[0].strip())
        monkeypatch.setenv("NIC_PLUGINS", ",".join(names))  # none of those that are installed otherwise
        plugins.discovery._installed.cache_clear()
        return site

    yield put
    plugins.discovery._installed.cache_clear()
    for name in set(sys.modules) - before:
        if str(site) in str(getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture
def make_weights() -> Callable[..., Path]:
    """Return a function that writes a weights file: (path, codec, name, and fields of its record)."""

    def make(path: Path, codec: str, name: str, *, synthesis: int = 0, **fields: object) -> Path:
        config = {"name": name}
        deciding = {"a": np.arange(3, dtype=np.float32)}
        rest = {"g_s.b": np.full(2, synthesis, np.float32)}
        info = WeightsInfo(codec, name, config, fingerprint(deciding, config), fingerprint(rest, config), **fields)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(deciding | rest, path, info.to_metadata())
        return path

    return make


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which sound weights are remembered, of this test only, as is where they are completed."""
    path = tmp_path / "cache" / "verified.json"
    monkeypatch.setattr("nic_core.weights.completing._folder", lambda: path.parent / "completed")
    monkeypatch.setattr("nic_core.weights.verification._cache", lambda: path)
    return path


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the user's weights, empty and of this test only."""
    folder = tmp_path / "store"
    monkeypatch.setenv("NIC_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def fake(install: Callable[..., Path], make_weights: Callable[..., Path], store: Path) -> Iterator[ModuleType]:
    """Install nic-fake, return its codec module: `zip` (quality 1 to 100, the default), `zip-rate` (20 and 80)."""
    site = install("nic-fake", {"nic_fake/__init__.py": PLUGIN, "nic_fake/codec.py": CODEC}, "fake = nic_fake")
    weights = site / "nic_fake" / "weights"
    make_weights(weights / "zip.safetensors", "zip", "any", quality=(1.0, 100.0), rank=5, licence="CC0-1.0")
    make_weights(weights / "low.safetensors", "zip-rate", "low", quality=20.0, rank=1)
    make_weights(weights / "high.safetensors", "zip-rate", "high", quality=80.0, rank=2)
    import nic_fake.codec

    opened_codecs.clear()
    yield nic_fake.codec
    opened_codecs.clear()
