"""Whether torch.compile pays for coding: seconds of transforms as they are and compiled, and of compiling.

    hatch run python tools/benchmarks/compiled.py tbtc-conv-charm tbtc-swint-charm cca taco mini

Of each codec, with random weights, the analysis and the synthesis of one picture of 768 x 512 pixels in float32. Both
kinds take turns; shown are medians, and what compiling takes at first and in the next process, which finds what the
first one kept on disk.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from nic_eval.bench.random_weights import random_model

WIDTH, HEIGHT = 768, 512


def main() -> None:
    """Measure each codec in two processes of its own and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("codecs", nargs="+")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.codecs[0], options.repeat)))
        return
    print("| codec | transform | as it is (s) | compiled (s) | ratio | compiling (s) | in the next process (s) |")
    print("|---|---|---|---|---|---|---|")
    for codec in options.codecs:
        with tempfile.TemporaryDirectory() as kept:
            first, second = (run(codec, options.repeat, kept) for _ in range(2))
        for transform, (plain, compiled, compiling) in second.items():
            figures = f"{plain:.3f} | {compiled:.3f} | {compiled / plain:.2f} | {first[transform][2]:.1f}"
            print(f"| {codec} | {transform} | {figures} | {compiling:.1f} |", flush=True)


def run(codec: str, repeat: int, kept: str) -> dict[str, tuple[float, float, float]]:
    """Return `measured` of a process of its own; kept: the folder of what compiling leaves behind."""
    command = [sys.executable, __file__, codec, "--repeat", str(repeat), "--one"]
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": kept}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def measured(codec: str, repeat: int) -> dict[str, tuple[float, float, float]]:
    """Return seconds as it is, compiled, and of the first compiled run, of both transforms."""
    model = random_model(codec).to(memory_format=torch.channels_last)
    x = torch.rand(1, model.picture_channels, HEIGHT, WIDTH).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        y = model.analyse(x)
        return {
            "analysis": compared(model.analyse, x, repeat),
            "synthesis": compared(model.synthesise, torch.round(y), repeat),
        }


def compared(transform: Callable[..., Any], value: torch.Tensor, repeat: int) -> tuple[float, float, float]:
    """Return medians of both kinds, and the seconds of the first compiled run."""
    compiled = torch.compile(transform)
    compiling = seconds(compiled, value)
    times = [(seconds(transform, value), seconds(compiled, value)) for _ in range(repeat + 1)][1:]
    plain, fast = (statistics.median(column) for column in zip(*times, strict=True))
    return plain, fast, compiling


def seconds(transform: Callable[..., Any], value: torch.Tensor) -> float:
    """Return how long one run takes."""
    start = time.perf_counter()
    transform(value)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
