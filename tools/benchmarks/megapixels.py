"""Seconds a megapixel and peak memory of pictures of several sizes, which tiles keep level.

    hatch run python tools/benchmarks/megapixels.py 0.4 4 25 100

Pictures are scikit-image's cup of coffee, repeated. Times are of `codec.encode` and of the rows of `codec.decode_rows`,
in this process; memory is what `nic encode` of a PNG file and `nic decode` into one hold at most, each a process of its
own.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nic_core as nic
import numpy as np
from nic_core.host.codec import Codec
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from skimage import data

ANY = "1000000000000"
"""More pixels than any of these pictures has."""
VERB = """
import sys
from nic_core.cli import run
code = run(sys.argv[1:])
from nic_eval.memory import peak_memory
print(peak_memory())
sys.exit(code)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("megapixels", nargs="*", type=float, default=[0.4, 4, 25])
    options = parser.parse_args()
    codec = nic.load(device="cpu")
    codec.decode(codec.encode(data.coffee()[:64, :64]))
    print("| megapixels | tiles | encode, s a megapixel | decode | nic encode, GB at most | nic decode |")
    print("|---|---|---|---|---|---|")
    for size in options.megapixels:
        picture = repeated(round((size * 1e6 * 4 / 3) ** 0.5), round((size * 1e6 * 3 / 4) ** 0.5))
        with tempfile.TemporaryDirectory() as folder:
            cells = [f"{size:g}", *times(codec, picture, size), *peaks(picture, Path(folder))]
        print(f"| {' | '.join(cells)} |", flush=True)


def repeated(width: int, height: int) -> np.ndarray:
    """Return a picture of a size."""
    tile = data.coffee()
    return np.tile(tile, (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1))[:height, :width]


def times(codec: Codec, picture: np.ndarray, size: float) -> list[str]:
    """Return how a picture is divided, and seconds a megapixel in both directions."""
    start = time.perf_counter()
    coded = codec.encode(picture)
    middle = time.perf_counter()
    for _ in codec.decode_rows(coded, max_pixels=picture.size).pixels:
        pass
    end = time.perf_counter()
    tiling, (height, width) = nic.inspect(coded).tiling, picture.shape[:2]
    tiles = f"{tiling.columns(width)} x {tiling.rows(height)}" if tiling else "one piece"
    return [tiles, f"{(middle - start) / size:.2f}", f"{(end - middle) / size:.2f}"]


def peaks(picture: np.ndarray, folder: Path) -> list[str]:
    """Return the gigabytes that the two verbs hold at most."""
    image_files.write(Picture(picture), folder / "a.png")
    found = []
    for verb, source, target in (("encode", "a.png", "a.nic"), ("decode", "a.nic", "b.png")):
        command = [sys.executable, "-c", VERB, verb, source, "-o", target, "--max-pixels", ANY, "--quiet"]
        done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
        found.append(f"{int(done.stdout) / 1e9:.2f}")
    return found


if __name__ == "__main__":
    main()
