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
from nic_core.host.cache import Cache
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


@pytest.mark.parametrize("size", [(192, 192), (130, 256)])
def test_a_batch_gives_the_files_and_pictures_of_each(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of sizes for which torch computes a batch as it computes a picture; of others floats may round differently."""
    monkeypatch.setattr("nic_nn.codec.BATCH_PIXELS", {"cpu": 1 << 20})
    codec = nic.load("mini", device="cpu", runtime="torch", cache=Cache(1))
    whole = data.coffee()
    pictures = [whole[20 * n : 20 * n + size[0], 30 * n : 30 * n + size[1]] for n in range(5)]
    calls: list[int] = []
    opened = codec.opened(codec.weights[0])
    latents = opened.latents
    monkeypatch.setattr(opened, "latents", lambda x, *rest: (calls.append(len(x)), latents(x, *rest))[1])
    files = list(codec.encode_batch([*pictures, pictures[0][..., 0]], quality=60))
    assert sorted(calls) == [5, size[0]]  # one batch, and rows of the gray one
    assert files == [codec.encode(picture, 60) for picture in [*pictures, pictures[0][..., 0]]]
    for picture, file in zip(codec.decode_batch(files), files, strict=True):
        assert np.abs(picture.pixels.astype(int) - codec.decode_picture(file).pixels).max() <= 1
