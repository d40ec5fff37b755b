"""Seconds a megapixel and peak memory of pictures of several sizes, which tiles keep level.

    hatch run python tools/benchmarks/megapixels.py 0.4 4 25 100
    hatch run python tools/benchmarks/megapixels.py 1000 --format tif
    hatch run python tools/benchmarks/megapixels.py 100 --codec tbtc-swint-charm --random

Pictures are scikit-image's cup of coffee, repeated, in files that hold no copy of it in memory. What is measured is
`nic encode` of such a file and `nic decode` into one, each a process of its own with its start left in: seconds that
passed, seconds of the processor's cores, which other work on the machine hardly changes, and memory at most. --random
makes weights for a codec that has none; they take the time and the memory that trained ones take, and more bits.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nic_core as nic
import numpy as np
from nic_core.pictures import image_files
from nic_core.pictures.picture import RowPicture
from nic_core.pictures.strips import Strips
from nic_eval.bench.random_weights import write_random
from skimage import data

ANY = "1000000000000"
"""More pixels than any of these pictures has."""
VERB = """
import sys
from nic_core.cli import run
code = run(sys.argv[1:])
from nic_eval.memory import peak_memory
import time
print(peak_memory(), time.process_time())
sys.exit(code)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("megapixels", nargs="*", type=float, default=[0.4, 4, 25])
    parser.add_argument("--codec", help="id[@weights][:key=value,...]; by default the default codec")
    parser.add_argument("--random", action="store_true", help="random weights for --codec")
    parser.add_argument("--format", default="png", choices=("png", "tif", "ppm"), help="of the files")
    options = parser.parse_args()
    heads = ("encode, s a megapixel", "decode", "encode, processor s", "decode", "encode, GB at most", "decode")
    print("|", " | ".join(("megapixels", "tiles", *heads, "bits a pixel")), "|")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder, codec = Path(name), options.codec
        if options.random:
            write_random(codec, folder / "random.safetensors")
            codec = f"{codec}@{folder / 'random.safetensors'}"
        for size in options.megapixels:
            picture = repeated(round((size * 1e6 * 4 / 3) ** 0.5), round((size * 1e6 * 3 / 4) ** 0.5))
            print(f"| {size:g} | {' | '.join(measured(picture, folder, options.format, codec))} |", flush=True)


def repeated(width: int, height: int) -> RowPicture:
    """Return a picture of a size, whose rows are made when they are asked for."""
    cup = data.coffee()
    across = np.tile(cup, (1, -(-width // cup.shape[1]), 1))[:, :width]

    def rows() -> Iterator[np.ndarray]:
        for first in range(0, height, len(across)):
            yield across[: height - first]

    return RowPicture(Strips((height, width, 3), np.uint8, rows))


def measured(picture: RowPicture, folder: Path, suffix: str, codec: str | None) -> list[str]:
    """Return how a picture is divided, both seconds a megapixel and gigabytes of both verbs, and bits a pixel."""
    size = picture.width * picture.height / 1e6
    source, coded, back = (folder / name for name in (f"a.{suffix}", "a.nic", f"b.{suffix}"))
    image_files.write(picture, source)
    chosen = ["--codec", codec] if codec else []
    encoding = run("encode", source, coded, folder, chosen)
    weights = (codec or "").partition("@")[2].partition(":")[0]
    decoding = run("decode", coded, back, folder, ["--weights", weights] if weights else [])
    tiling = nic.inspect(coded).tiling
    tiles = f"{tiling.columns(picture.width)} x {tiling.rows(picture.height)}" if tiling else "one piece"
    bits = coded.stat().st_size * 8 / size / 1e6
    for path in (source, coded, back):
        path.unlink()
    scales = (size, size, 1e9)
    figures = [f"{verb[which] / scale:.2f}" for which, scale in enumerate(scales) for verb in (encoding, decoding)]
    return [tiles, *figures, f"{bits:.2f}"]


def run(verb: str, source: Path, target: Path, folder: Path, more: list[str]) -> tuple[float, float, int]:
    """Return the seconds that pass, those that processors spend, and the bytes that a verb holds at most."""
    command = [sys.executable, "-c", VERB, verb, source, "-o", target, "--max-pixels", ANY, "--quiet", *more]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    passed = time.perf_counter() - start
    memory, spent = done.stdout.split()
    return passed, float(spent), int(memory)


if __name__ == "__main__":
    main()
