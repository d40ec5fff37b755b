"""How long the nets take that decide symbols: h_s and the contexts, as integers and as torch's float32 modules.

python tools/benchmarks/integers.py
python tools/benchmarks/integers.py mini cca --picture 768x512 --runs 5

Prints a Markdown table: milliseconds, medians of runs that take turns. mini has its own weights, others random ones.
A picture's latents are random; what is timed are the calls of nets that decoding it makes, without the entropy coder.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import click
import numpy as np
import torch
from models import model_of
from nic_core.memory import keep_freed_memory
from nic_latent.coding import LATENT_GRID
from nic_latent.integers.executor import in_c, only_numpy
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.nets import NetTable
from nic_latent.orders.context import Params, drive
from nic_native.threads import threads
from nic_nn.model import LatentModel

CODECS = ("mini", "tbtc-conv-charm", "tbtc-swint-charm", "taco", "tcm", "cca", "egic")


class Answer:
    """The other side of a context: answers each group with what stands there in a random y_hat."""

    def __init__(self, y_hat: Any) -> None:
        self.y_hat = y_hat

    def __call__(self, group: Any) -> Any:
        """Return the group's channels."""
        assert isinstance(group, Params)
        return self.y_hat if group.channels is None else self.y_hat[:, group.channels]


def runs_of(model: LatentModel, height: int, width: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what runs the nets of a picture as integers, and in float32."""
    generator = np.random.default_rng(0)
    y, z = (
        np.rint(generator.normal(0, 1, (1, height // step, width // step, channels)))
        for channels, step in zip(model.channels, (model.y_stride, model.stride), strict=True)
    )
    integers = model.integers
    assert integers is not None
    z_hat, answer = integers.z_hat(z.astype(np.int32)), Answer(Fixed.of(y, LATENT_GRID))
    tensors = [torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float32)) for x in (y, z)]
    float_answer = Answer(tensors[0])

    def whole() -> None:
        nets = NetTable(integers.nets)
        drive(integers.order(nets, nets("h_s", z_hat)), answer)

    @torch.inference_mode()
    def floats() -> None:
        drive(model.context(model.h_s(tensors[1])), float_answer)

    return whole, floats


def time_of(run: Callable[[], None]) -> float:
    """Return milliseconds."""
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


@click.command()
@click.argument("codecs", nargs=-1)
@click.option("--picture", default="768x512", help="Width x height.")
@click.option("--runs", default=5)
def main(codecs: tuple[str, ...], picture: str, runs: int) -> None:
    """Print the table."""
    width, height = map(int, picture.split("x"))
    keep_freed_memory()
    click.echo(f"h_s and contexts of {width} x {height}, milliseconds, medians of {runs}\n")
    columns = ("native, 1 thread", "native, 2 threads", "numpy, 1 thread", "torch float32, 1 thread", "2 threads")
    click.echo("| codec | " + " | ".join(columns) + " |\n|---" + "|---" * len(columns) + "|")
    for codec in codecs or CODECS:
        whole, floats = runs_of(model_of(codec), height, width)
        assert in_c()
        ways = [(whole, 1, nullcontext), (whole, 2, nullcontext), (whole, 1, only_numpy)]
        ways += [(floats, 1, nullcontext), (floats, 2, nullcontext)]
        found: list[list[float]] = [[] for _ in ways]
        for turn in range(runs + 1):
            for (run, count, context), times in zip(ways, found, strict=True):
                threads.count = count
                torch.set_num_threads(count)
                with context():
                    taken = time_of(run)
                times += [taken] * (turn > 0)  # the first run prepares
        click.echo(f"| {codec} | " + " | ".join(f"{statistics.median(times):.0f}" for times in found) + " |")


if __name__ == "__main__":
    main()
