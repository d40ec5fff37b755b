"""The default codec within other programs: forks, spawned processes, asyncio, and pictures side by side."""

import asyncio
import io
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nic_core as nic
import numpy as np
import pytest
from nic_core.host.runtimes import RUNTIMES
from skimage import data

PIXELS = data.coffee()[:200, :300]


FORK = """
import os, sys, time
import nic_core as nic
from skimage import data

pixels = data.coffee()[:200, :300]
codec = nic.load("mini", runtime=sys.argv[1])
file = codec.encode(pixels, 40)
codec.decode(file)
if not (child := os.fork()):
    os._exit(not (nic.inspect(codec.encode(pixels, 40)).checksum == nic.inspect(file).checksum and codec.decode(file)))
for _ in range(1200):
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        sys.exit(os.waitstatus_to_exitcode(status))
    time.sleep(0.1)
os.kill(child, 9)
sys.exit("the child hangs")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
@pytest.mark.parametrize("runtime", RUNTIMES[1:])
def test_a_fork_after_coding_codes(runtime: str) -> None:
    """In a process of its own, so that what hangs ends; symbols may differ only where floats do, and do not here."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK, runtime], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_spawned_processes_take_codecs() -> None:
    codec = nic.load()
    file = codec.encode(PIXELS, 40)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(codec.decode_picture, [file] * 2))
    for picture in found:
        assert np.array_equal(picture.pixels, codec.decode_picture(file).pixels)


def test_asyncio_takes_threads() -> None:
    codec, png = nic.load(), io.BytesIO()
    nic.Picture.of(PIXELS).to_pil().save(png, "PNG")

    async def served() -> list[bytes]:
        return await asyncio.gather(*(asyncio.to_thread(codec.encode, png.getvalue(), 40) for _ in range(4)))

    assert len(set(asyncio.run(served()))) == 1


def test_imageio_reads_through_pillow(tmp_path: Path) -> None:
    import imageio.v3 as imageio
    import nic_core.pillow  # noqa: F401

    path = tmp_path / "a.nic"
    path.write_bytes(nic.encode(PIXELS, 40))
    assert np.array_equal(imageio.imread(path, plugin="pillow"), nic.decode_picture(path).pixels)
