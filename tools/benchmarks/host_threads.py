"""Two pictures by two threads, beside the same two one after another: what a host gains from threads.

    OMP_NUM_THREADS=1 hatch run python tools/benchmarks/host_threads.py

One thread for each call (OMP_NUM_THREADS=1), and a core for each of the two threads, which stay there: otherwise a
system with other work to do runs both on one core for a while. Both ways run in turns, and the table has the median of
their ratios: other work on the machine then slows both. Once with one codec for both threads, once with one for each,
and once by two processes, which share no lock of Python's: what the machine gives at the time.
"""

import argparse
import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything reads it

import nic_core as nic
import numpy as np
from nic_core.host.cache import Cache
from PIL import Image
from skimage import data

Work = Callable[[int], object]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codec", default=None, help="codec id [default: the default codec]")
    parser.add_argument("--weights", default=None, help="weights file or name")
    parser.add_argument("--size", type=int, nargs=2, default=[768, 512], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--quality", type=float, default=50.0)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--runtimes", nargs="+", default=["onnx", "torch"], choices=("onnx", "torch"))
    options = parser.parse_args()
    pictures = [Image.fromarray(np.roll(data.coffee(), shift, 1)).resize(options.size) for shift in (0, 200)]
    print(f"{options.size[0]} x {options.size[1]}, quality {options.quality:g}; seconds, median of {options.repeats}")
    print(f"{'':<24}{'one after another':>20}{'by two threads':>18}{'ratio':>8}")
    for runtime in options.runtimes:
        for kind in ("one codec", "a codec each", "two processes"):
            caches = [Cache(1 << 31)] * 2 if kind == "one codec" else [Cache(1 << 31), Cache(1 << 31)]
            codecs = [nic.load(options.codec, options.weights, "cpu", runtime, cache) for cache in caches]
            files = [codec.encode(picture, options.quality) for codec, picture in zip(codecs, pictures, strict=True)]
            works: dict[str, Work] = {
                "encode": lambda n, codecs=codecs: codecs[n].encode(pictures[n], options.quality),
                "decode": lambda n, codecs=codecs, files=files: codecs[n].decode_picture(files[n]),
            }
            for verb, work in works.items():
                pipes = [in_process(lambda n=n, work=work: work(n)) for n in range(2)] if "two" in kind else []
                asked = (lambda n, pipes=pipes: pipes[n]()) if pipes else work
                alone, together, ratio = compared(asked, options.repeats, bool(pipes))
                print(f"{f'{runtime}, {verb}, {kind}':<32}{alone:>12.3f}{together:>18.3f}{ratio:>8.2f}", flush=True)


def in_process(work: Callable[[], object]) -> Callable[[], object]:
    """Return a function that has a process of its own do some work, which it inherits, and waits for it."""
    ours, theirs = multiprocessing.Pipe()

    def serve() -> None:
        while theirs.recv():
            work()
            theirs.send(True)

    multiprocessing.get_context("fork").Process(target=serve, daemon=True).start()

    def ask() -> object:
        ours.send(True)
        return ours.recv()

    return ask


def compared(work: Work, repeats: int, elsewhere: bool = False) -> tuple[float, float, float]:
    """Return median seconds of work(0) and work(1) one after another, by two threads, and of the ratios.

    elsewhere: whether processes do the work, so that threads that wait for it need no core of their own.
    """
    alone, together, barrier = [], [], threading.Barrier(2)
    cores = iter(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_setaffinity") and not elsewhere else None

    def stay() -> None:
        if cores:
            os.sched_setaffinity(0, {next(cores)})  # of this thread

    def beside(number: int) -> object:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(2, initializer=stay) as pool:
        for _ in range(repeats + 1):
            start = time.perf_counter()
            work(0), work(1)
            middle = time.perf_counter()
            list(pool.map(beside, range(2)))
            end = time.perf_counter()
            alone.append(middle - start)
            together.append(end - middle)
    del alone[0], together[0]  # buffers grow the first time
    ratios = [two / one for one, two in zip(alone, together, strict=True)]
    return statistics.median(alone), statistics.median(together), statistics.median(ratios)


if __name__ == "__main__":
    main()
