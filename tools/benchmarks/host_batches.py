"""Small pictures by `encode_batch` and `decode_batch`, as batches and one by one.

    OMP_NUM_THREADS=1 hatch run python tools/benchmarks/host_batches.py

By torch, 32 pictures of one size and two threads. Both ways run in turns, and the table has the median of their ratios:
other work on the machine then slows both.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything reads it

import nic_core as nic
import numpy as np
from nic_core.host.cache import Cache
from nic_core.host.codec import Codec
from skimage import data


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codec", default=None, help="codec id [default: the default codec]")
    parser.add_argument("--weights", default=None, help="weights file or name")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 128, 192, 256])
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch-pixels", type=int, help="of a batch at most [default: the codec's own]")
    options = parser.parse_args()
    whole = np.tile(data.coffee(), (2, 2, 1))
    codecs = [nic.load(options.codec, options.weights, options.device, "torch", Cache(1)) for _ in range(2)]
    codecs[1].opened(codecs[1].weights[0]).batch_pixels = 0
    if options.batch_pixels:
        codecs[0].opened(codecs[0].weights[0]).batch_pixels = options.batch_pixels
    print(f"{codecs[0].spec.id}, {options.count} pictures, {options.threads} threads; milliseconds for a picture")
    print(f"{'side':<8}{'':<10}{'one by one':>12}{'batches':>10}{'ratio':>8}")
    for side in options.sides:
        starts = [(7 * number % 300, 11 * number % 500) for number in range(options.count)]
        pictures = [whole[y : y + side, x : x + side] for y, x in starts]
        files = list(codecs[1].encode_batch(pictures))
        verbs: dict[str, Callable[[Codec], object]] = {
            "encode": lambda codec, given=pictures: list(codec.encode_batch(given, threads=options.threads)),
            "decode": lambda codec, given=files: list(codec.decode_batch(given, threads=options.threads)),
        }
        for verb, work in verbs.items():
            rows = [[timed(work, codec) for codec in codecs] for _ in range(options.repeats + 1)][1:]
            batches, single = (1e3 * statistics.median(column) / options.count for column in zip(*rows, strict=True))
            ratio = statistics.median(one / other for one, other in rows)
            print(f"{side:<8}{verb:<10}{single:>12.1f}{batches:>10.1f}{ratio:>8.2f}", flush=True)


def timed(work: Callable[[Codec], object], codec: Codec) -> float:
    """Return the seconds that some work takes."""
    start = time.perf_counter()
    work(codec)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
