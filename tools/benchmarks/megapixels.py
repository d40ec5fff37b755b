"""Seconds a megapixel and peak memory of pictures of several sizes, which tiles keep level.

    hatch run python tools/benchmarks/megapixels.py 0.4 4 25 100

Pictures are scikit-image's cup of coffee, repeated; the memory is that of this process, the picture included.
"""

import argparse
import resource
import time

import nic_core as nic
import numpy as np
from skimage import data


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("megapixels", nargs="*", type=float, default=[0.4, 4, 25])
    parser.add_argument("--codec", help="[default: the default codec]")
    options = parser.parse_args()
    codec = nic.load(options.codec, device="cpu")
    codec.decode(codec.encode(data.coffee()[:64, :64]))
    print("megapixels, encode and decode in seconds a megapixel, peak GB so far")
    for size in options.megapixels:
        picture = repeated(round((size * 1e6 * 4 / 3) ** 0.5), round((size * 1e6 * 3 / 4) ** 0.5))
        start = time.perf_counter()
        coded = codec.encode(picture)
        middle = time.perf_counter()
        for _ in codec.decode_rows(coded, max_pixels=picture.size).pixels:
            pass
        seconds = (middle - start) / size, (time.perf_counter() - middle) / size
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{size:g}  {seconds[0]:.3f}  {seconds[1]:.3f}  {peak:.2f}")


def repeated(width: int, height: int) -> np.ndarray:
    """Return a picture of a size."""
    tile = data.coffee()
    return np.tile(tile, (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1))[:height, :width]


if __name__ == "__main__":
    main()
