"""Several threads load and decode at once, in a process where nothing is imported yet."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import nic_core as nic
import numpy as np
import pytest

WORK = """
import sys, threading
from pathlib import Path
import nic_core as nic

def decode():
    return [nic.load().decode(data).tobytes(), nic.decode(memoryview(data)).tobytes()]

def whole():
    import compressai.ans, compressai.layers.gdn
    return [b"imported"]

def run(work):
    barrier.wait()
    try:
        results.append((work.__name__, work()))
    except BaseException as error:
        errors.append(f"{work.__name__}: {error!r}")

data, results, errors = Path(sys.argv[1]).read_bytes(), [], []
works = [decode, whole, decode, decode, whole, decode]
barrier = threading.Barrier(len(works))
threads = [threading.Thread(target=run, args=(work,)) for work in works]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not errors, errors
assert len({picture for name, pictures in results if name == "decode" for picture in pictures}) == 1

import compressai
from nic_nn.nets import compressai_parts as parts
assert compressai.whole and compressai.ans.RansDecoder is parts.RansDecoder
assert compressai.layers.gdn.GDN is compressai.layers.GDN is parts.GDN
assert issubclass(parts.EntropyBottleneck, compressai.entropy_models.entropy_models.EntropyBottleneck)
assert compressai.ops.bound_ops.LowerBound is compressai.ops.LowerBound is parts.LowerBound
"""


@pytest.fixture
def quick_compressai(tmp_path: Path) -> Path:
    """Return a folder with compressai's parts in a package that takes a moment to import."""
    found = find_spec("compressai")
    assert found and found.submodule_search_locations
    root, folder = Path(found.submodule_search_locations[0]), tmp_path / "compressai"
    (folder / "layers").mkdir(parents=True)
    for name in ("ops", "entropy_models", "layers/gdn.py", "layers/layers.py"):
        (folder / name).symlink_to(root / name)
    for path in root.glob("*.*"):
        if path.suffix in (".so", ".pyd"):
            (folder / path.name).symlink_to(path)
    (folder / "layers" / "__init__.py").write_text("from .gdn import *\nfrom .layers import *\n")
    (folder / "__init__.py").write_text(
        "import time\ntime.sleep(0.5)\nfrom compressai import entropy_models, layers, ops\nwhole = True\n"
    )
    return tmp_path


def test_a_fresh_process_decodes_in_several_threads(tmp_path: Path, quick_compressai: Path) -> None:
    file = tmp_path / "a.nic"
    file.write_bytes(nic.encode(np.zeros((40, 60, 3), np.uint8), 40))
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(quick_compressai)!r}){WORK}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


MIXED = """
import itertools, sys, threading
import nic_core as nic
from nic_core.host.cache import Cache
from skimage import data

def codec_of(kind, runtime):
    if kind == "own":
        return nic.load("mini", device="cpu", runtime=runtime, cache=Cache(1))
    return shared[runtime] if kind == "shared" else nic.load("mini", device="cpu", runtime=runtime)

def load(codec):
    assert codec.opened(codec.weights[0]).info.codec == "mini"

def encode(codec):
    return codec.encode(pixels, 40)

def decode(codec):
    return codec.decode(file).tobytes()

def run(number, work, kind, runtime):
    barrier.wait()
    try:
        found[number] = work(codec_of(kind, runtime))
    except BaseException as error:
        errors.append(f"{work.__name__}, {kind}, {runtime}: {error!r}")

pixels = data.coffee()[:100, :150]
shared = {runtime: nic.load("mini", device="cpu", runtime=runtime) for runtime in ("torch", "onnx")}
with open(sys.argv[1], "rb") as opened:
    file = opened.read()
mixes = list(itertools.product((load, encode, decode), ("shared", "cached", "own"), ("torch", "onnx")))
for turn in range(2):
    barrier, found, errors = threading.Barrier(len(mixes)), [None] * len(mixes), []
    threads = [threading.Thread(target=run, args=(number, *mix)) for number, mix in enumerate(mixes)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not errors, errors
    for work in (encode, decode):
        for runtime in ("torch", "onnx"):
            made = {found[n] for n, mix in enumerate(mixes) if mix[0] is work and mix[2] == runtime}
            assert made == {work(shared[runtime])}, (work, runtime, len(made))
"""


def test_loading_encoding_and_decoding_mix(tmp_path: Path) -> None:
    """On one codec, on codecs that share what they open, and on ones that share nothing; both runtimes at once."""
    file = tmp_path / "a.nic"
    file.write_bytes(nic.encode(np.zeros((40, 60, 3), np.uint8), 40))
    done = subprocess.run([sys.executable, "-c", MIXED, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
