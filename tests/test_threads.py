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
from nic_nn import compressai_parts as parts
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
