"""A Ray cluster of two nodes on this machine, and a codec that its workers find."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from nic_core import plugins
from nic_core.host.cache import cache as opened_codecs
from nic_core.weights import WeightsInfo, fingerprint
from PIL import Image
from safetensors.numpy import save_file

PLUGIN = """
from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec
from nic_core.weights import bundled

api_version = 1

@hookimpl
def nic_codecs():
    yield CodecSpec("slow", "nic_slow.codec:SlowCodec", "Deflated pixels; writes down what it does.")

@hookimpl
def nic_weights():
    yield from bundled("nic_slow")
"""
CODEC = '''
import os
import signal
import time
import zlib
from pathlib import Path

import numpy as np
from nic_core.codec import Coded, PixelCodec
from nic_core.progress import check

class SlowCodec(PixelCodec):
    """Writes the width of each picture, its process and its node's raylet into a log.

    A file beside the log says how: seconds for each picture, and at which width the process is killed: "0.1 12 once".
    """

    def compress(self, pixels, quality, options):
        width, log = pixels.shape[1], Path(os.environ["NIC_SLOW_LOG"])
        before = [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []
        with log.open("a") as file:
            file.write(f"{width} {os.getpid()} {os.getppid()}\\n")
        seconds, dies, how = (*Path(f"{log}.how").read_text().split(), "", "")[:3]
        if dies == str(width) and not (how == "once" and str(width) in before):
            os.kill(os.getpid(), signal.SIGKILL)
        for _ in range(int(100 * float(seconds))):
            time.sleep(0.01)
            check()
        return Coded((zlib.compress(pixels.tobytes()),), 0, "zlib", b"")

    def decompress(self, units, header, options):
        raw = np.frombuffer(zlib.decompress(units[0]), np.uint8)
        return raw.reshape(header.height, header.width, header.channels)
'''
WIDTHS = range(9, 17)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the codec `slow` for this process and for those that it starts; return the folder of its log."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "nic_slow" / "weights").mkdir(parents=True)
    (folder / "nic_slow" / "__init__.py").write_text(PLUGIN)
    (folder / "nic_slow" / "codec.py").write_text(CODEC)
    info = folder / "nic_slow-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nic-slow\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[nic]\nslow = nic_slow\n")
    config = {"name": "any"}
    tensors = {name: np.arange(3, dtype=np.float32) for name in ("a", "g_s.b")}
    ids = [fingerprint({name: tensor}, config) for name, tensor in tensors.items()]
    record = WeightsInfo("slow", "any", config, *ids, quality=(1.0, 100.0), rank=1)
    save_file(tensors, folder / "nic_slow" / "weights" / "any.safetensors", record.to_metadata())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("NIC_PLUGINS", "slow,ray,eval")
        patch.setenv("NIC_WEIGHTS", str(folder / "store"))
        patch.setenv("NIC_SLOW_LOG", str(folder / "log"))
        plugins.discovery._installed.cache_clear()
        opened_codecs.clear()
        yield folder
        plugins.discovery._installed.cache_clear()
        opened_codecs.clear()


@pytest.fixture(scope="module")
def two_nodes(site: Path) -> Iterator[Callable[[], str]]:
    """Return a function that gives the address of a cluster of two nodes with a core each."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "120"}
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    nodes = []

    def start() -> str:
        while len(nodes) < 2:
            nodes.append(cluster.add_node(num_cpus=1, include_dashboard=False))
        cluster.wait_for_nodes()
        return str(cluster.address)

    start.lose = lambda: cluster.remove_node(nodes.pop(), allow_graceful=False)  # type: ignore[attr-defined]
    yield start
    cluster.shutdown()


@pytest.fixture
def work(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with pictures/ of 8 pictures, 9 to 16 pixels wide; nothing is slow, nothing dies."""
    monkeypatch.chdir(tmp_path)
    (site / "log").unlink(missing_ok=True)
    (site / "log.how").write_text("0")
    pixels = np.random.default_rng(7).integers(0, 256, (6, 16, 3), np.uint8)
    for width in WIDTHS:
        folder = tmp_path / "pictures" / ("even" if width % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[:, :width]).save(folder / f"{width}.png")
    return tmp_path
