"""Warm encode and decode times of a codec with its weights, as an application sees them.

    hatch run python tools/benchmarks/warm.py

Prints the median of nine `codec.encode` and `codec.decode` calls on scikit-image's cup of coffee, resized.
"""

import argparse
import statistics
import time

import nic_core
from PIL import Image
from skimage import data


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codec", default=None, help="codec id [default: the default codec]")
    parser.add_argument("--weights", default=None, help="weights file or name")
    parser.add_argument("--size", type=int, nargs=2, default=[768, 512], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--runtime", default="auto", choices=("auto", "torch", "onnx"))
    options = parser.parse_args()
    codec = nic_core.load(options.codec, options.weights, options.device, options.runtime)
    picture = Image.fromarray(data.coffee()).resize(options.size, Image.Resampling.LANCZOS)
    data_of = {quality: codec.encode(picture, quality) for quality in (10, 50, 90)}
    print(f"{codec.spec.id}, {options.size[0]} x {options.size[1]}, {options.device}, {codec.runtimes}; median of 9")
    for quality, coded in data_of.items():
        encode = median(lambda quality=quality: codec.encode(picture, quality))
        decode = median(lambda coded=coded: codec.decode(coded))
        print(f"quality {quality}: {len(coded)} bytes, encode {encode:.3f} s, decode {decode:.3f} s")


def median(run, times: int = 9) -> float:
    """Return the median seconds of some runs after one that does not count."""
    run()
    took = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


if __name__ == "__main__":
    main()
