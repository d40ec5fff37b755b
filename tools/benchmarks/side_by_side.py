"""Seconds of a codec's synthesis, 768 x 512, alone and in several processes at once on the same cores.

python tools/benchmarks/side_by_side.py tbtc-swint-charm cca

Each process has as many threads as there are cores, which is what happens where nobody says otherwise. Measured as
OpenMP's threads wait by default, and with GOMP_SPINCOUNT=1000, which `nic` sets for itself. Random weights, by torch.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import click
import torch
from nic_core.cores import cores
from nic_core.memory import keep_freed_memory
from nic_eval.bench.random_weights import random_model

SPINS = {"as it is": {}, "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"}}


@torch.inference_mode()
def measure(codec: str, runs: int) -> float:
    """Return the median seconds of this process."""
    keep_freed_memory()
    model = random_model(codec, None).eval().to(memory_format=torch.channels_last)
    y_hat = torch.randn(1, model.channels[0], 512 // model.y_stride, 768 // model.y_stride)
    y_hat = y_hat.contiguous(memory_format=torch.channels_last)
    seconds = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        model.synthesise(y_hat)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def at_once(codec: str, runs: int, processes: int, variables: dict[str, str]) -> float:
    """Return the mean over processes that run at the same time."""
    environment = {"OMP_NUM_THREADS": str(cores()), **os.environ, **variables}
    command = [sys.executable, "-W", "ignore", __file__, codec, "--runs", str(runs), "--worker"]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return statistics.mean(json.loads(process.communicate()[0]) for process in running)


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.argument("codecs", nargs=-1, required=True)
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Of each process.")
@click.option("--processes", type=click.IntRange(2), default=2, show_default=True, help="At once.")
@click.option("--worker", is_flag=True, hidden=True)
def main(codecs: tuple[str, ...], runs: int, processes: int, worker: bool) -> None:
    """Measure and print."""
    if worker:
        click.echo(json.dumps(measure(codecs[0], runs)))
        return
    click.echo(
        f"| codec | threads wait | alone (s) | {processes} at once (s) | ratio |\n| --- | --- | --- | --- | --- |"
    )
    for codec in codecs:
        for name, variables in SPINS.items():
            alone, together = (at_once(codec, runs, count, variables) for count in (1, processes))
            click.echo(f"| {codec} | {name} | {alone:.2f} | {together:.2f} | {together / alone:.1f} |")


if __name__ == "__main__":
    main()
