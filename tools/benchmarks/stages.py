"""Where a latent codec spends its time: a table of the stages of encoding and decoding.

python tools/benchmarks/stages.py
python tools/benchmarks/stages.py tbtc-swint-charm --size S --size L --picture 1920x1080 --threads 4
python tools/benchmarks/stages.py tbtc-conv-charm --weights w.safetensors

Each model codes in integers, as files are, and in floating point, as files were before: runs of both take turns.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import numpy as np
import torch
from nic_core import plugins
from nic_core.coding.interleaved import InterleavedDecoder, InterleavedEncoder
from nic_core.spec import resolve
from nic_core.weights import read_info
from nic_latent.fixed import Fixed
from nic_latent.nets import NetTable
from nic_nn import model as engine
from nic_nn.codec import pick_device
from nic_nn.loading import load_model
from nic_nn.memory import keep_freed_memory
from nic_nn.model import LatentModel
from rich.console import Console
from rich.table import Table

STAGES = {
    "encode": ("g_a", "h_a", "h_s", "context", "coding", "other", "total"),
    "decode": ("h_s", "context", "coding", "g_s", "other", "total"),
}
TBTC = ("tbtc-conv-hyperprior", "tbtc-conv-charm", "tbtc-swint-hyperprior", "tbtc-swint-charm")


class Stopwatch:
    """Sums the seconds of named stages; a device's queue is emptied at both ends of each."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of a block."""
        start = self.now()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - start

    def now(self) -> float:
        """Return the time once all queued work is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()

    def around(self, name: str, function: Callable) -> Callable:
        """Return the function, timed."""

        def timed(*arguments: Any) -> Any:
            with self.stage(name):
                return function(*arguments)

        return timed


@contextmanager
def watched(model: LatentModel, watch: Stopwatch) -> Iterator[None]:
    """Time a model's transforms, its nets or the steps of its context, and the coder for the length of a block."""

    def drive(context: Any, code: Callable) -> Any:
        try:
            with watch.stage("context"):
                params = next(context)
            while True:
                decoded = code(params)
                with watch.stage("context"):
                    params = context.send(decoded)
        except StopIteration as stop:
            return stop.value

    run_net = NetTable.__call__

    def net(table: NetTable, name: str, *inputs: Fixed, parity: int | None = None) -> Fixed:
        with watch.stage("h_s" if name == "h_s" else "context"):
            return run_net(table, name, *inputs, parity=parity)

    coder = {(InterleavedEncoder, "push"), (InterleavedEncoder, "finish"), (InterleavedDecoder, "pull")}
    kept = {(owner, name): getattr(owner, name) for owner, name in coder}
    for name in ("g_a", "h_a", "h_s", "g_s"):
        module = getattr(model, name)
        module.forward = watch.around(name, module.forward)
    for (owner, name), function in kept.items():
        setattr(owner, name, watch.around("coding", function))
    try:
        with patch.object(engine, "drive", drive), patch.object(NetTable, "__call__", net):
            yield
    finally:
        for (owner, name), function in kept.items():
            setattr(owner, name, function)
        for name in ("g_a", "h_a", "h_s", "g_s"):
            del getattr(model, name).forward


def timed(run: Callable[[], Any], model: LatentModel, device: torch.device) -> dict[str, float]:
    """Return the seconds of each stage and in all."""
    watch = Stopwatch(device)
    with watched(model, watch):
        start = watch.now()
        run()
        total = watch.now() - start
    return {**watch.seconds, "other": total - sum(watch.seconds.values()), "total": total}


Runs = dict[tuple[str, str], list[dict[str, float]]]
"""By arithmetic and direction: the seconds of each run."""


@torch.inference_mode()
def measure(model: LatentModel, x: torch.Tensor, runs: int) -> Runs:
    """Return the times of coding a picture both ways in turns, after one run to warm up."""
    model.make_integers()
    kinds: dict[str, Callable[[], AbstractContextManager]] = {"integers": nullcontext, "floats": model.in_floats}
    rows: Runs = {(kind, direction): [] for direction in STAGES for kind in kinds}
    coded = {}
    for run in range(runs + 1):
        for kind, enter in kinds.items():
            with enter():
                coded[kind] = coded[kind] if run else model.compress(x)
                jobs = {"encode": partial(model.compress, x), "decode": partial(model.decompress, coded[kind])}
                for direction, job in jobs.items():
                    times = timed(job, model, x.device)
                    if run:
                        rows[kind, direction].append(times)
    return rows


def cells(rows: list[dict[str, float]], stages: tuple[str, ...]) -> list[str]:
    """Return the median milliseconds of stages."""
    return [f"{1000 * statistics.median(row.get(stage, 0.0) for row in rows):.0f}" for stage in stages]


def make_model(codec: str, size: str | None, weights: Path | None) -> LatentModel:
    """Return a codec's model, with given weights or random ones."""
    if weights:
        info = read_info(weights)
        return load_model(resolve(plugins.codec_spec(codec).target).build(info.config), weights)
    recipes = [spec for _, spec in plugins.records("nic_recipes") if spec.codec == codec]
    if not recipes:
        raise click.UsageError(f"{codec} has no training recipe to build a random model from; give --weights")
    recipe = resolve(recipes[0].target)(codec=codec, **recipes[0].values)
    if size and not hasattr(recipe, "size"):
        raise click.UsageError(f"{codec} has one size only; leave --size out")
    if size:
        recipe = dataclasses.replace(recipe, size=size)
    torch.manual_seed(0)
    return recipe.build().model.eval()


def side_by_side(text: str) -> tuple[int, int]:
    """Return (width, height) of "768x512"."""
    try:
        width, height = (int(side) for side in text.lower().split("x"))
    except ValueError as error:
        raise click.BadParameter("give WIDTHxHEIGHT, such as 768x512") from error
    return width, height


@click.command(context_settings={"show_default": True})
@click.argument("codecs", nargs=-1)
@click.option("--size", "sizes", multiple=True, help="Model size, where the codec's recipe has one; may be repeated.")
@click.option("--picture", default="768x512", help="Width x height; rounded up to the model's stride.")
@click.option("--runs", default=5, type=click.IntRange(1), help="Medians are over this many runs.")
@click.option("--threads", default=0, help="Threads on a CPU; 0 leaves the choice to torch.")
@click.option("--device", default="cpu", help="Where to run.")
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="Weights of the one codec measured.")
def main(
    codecs: tuple[str, ...],
    sizes: tuple[str, ...],
    picture: str,
    runs: int,
    threads: int,
    device: str,
    weights: Path | None,
) -> None:
    """Print the stage times of CODECS (by default the four of nic-tbtc) in milliseconds, medians of several runs.

    Without --weights the weights are random: the transforms cost what they always cost, but symbols, and with them
    the time of entropy coding, are not those of a trained model.
    """
    if weights and len(codecs) != 1:
        raise click.UsageError("--weights goes with exactly one codec")
    if weights and sizes:
        raise click.UsageError("--weights have a size of their own; leave --size out")
    if threads:
        torch.set_num_threads(threads)
    where = pick_device(device)
    keep_freed_memory()  # as codecs do
    width, height = side_by_side(picture)
    console = Console()
    kind = "random weights" if not weights else weights.name
    console.print(f"{width} x {height} on {where}, {torch.get_num_threads()} threads, {kind}, medians of {runs} in ms")
    tables = []
    for direction, stages in STAGES.items():
        table = Table(title=direction, box=None, title_justify="left")
        table.add_column("codec", no_wrap=True)
        for stage in (*stages, "to floats"):
            table.add_column(stage, justify="right")
        tables.append((table, direction))
    for codec in codecs or TBTC:
        for size in sizes or (None,):
            model = make_model(codec, size, weights).to(where).to(memory_format=torch.channels_last)
            sides = [side + -side % model.stride for side in (height, width)]
            x = torch.from_numpy(np.random.default_rng(0).random((1, 3, *sides), dtype=np.float32)).to(where)
            measured, label = measure(model, x, runs), f"{codec} {size or ''}".strip()
            for table, direction in tables:
                totals = {kind: [row["total"] for row in measured[kind, direction]] for kind in ("integers", "floats")}
                ratios = [i / f for i, f in zip(totals["integers"], totals["floats"], strict=True)]
                for kind, ratio in (("integers", f"{statistics.median(ratios):.2f}"), ("floats", "")):
                    rows = cells(measured[kind, direction], STAGES[direction])
                    table.add_row(f"{label}, {kind}", *rows, ratio)
    for table, _ in tables:
        console.print()
        console.print(table)


if __name__ == "__main__":
    main()
