"""How many pictures per second a recipe trains on, where a step's time goes, and how another checkout compares.

    python tools/benchmarks/training_speed.py --data train/
    python tools/benchmarks/training_speed.py --data train/ --against ../older mini tbtc-conv-charm
    python tools/benchmarks/training_speed.py --data train/ --against ../older --steps 200 --set tbtc-conv-charm.size=S
    python tools/benchmarks/training_speed.py --data train/ --against ../older --precision bf16 --compile

Each checkout trains in a process of its own, through `nic train`'s own run: data loading, progress and logs included,
starting up, validation and checkpoints left out. With --against the two take turns step by step, one always waiting
for the other, so that other work on the machine slows both alike. Shown are medians; losses are those after the same
steps on the same draws. --precision and --compile are for this checkout; the other computes in float32 as it is.
Where a machine is busy, --threads 1 and the ratio by CPU time are the ones to trust: threads that wait for each
other's processor count as computing.
"""

import argparse
import inspect
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]
PARTS = ("data", "forward", "backward", "clipping", "optimizer", "average")
WARM_UP = 2
"""First steps that do not count: they make buffers and choose kernels."""
LOSSES_AT = (1, 10, 50, 100, 200)


class Clock:
    """Seconds by part of a step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose time counts as a part's."""

        def run(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[part] += time.perf_counter() - start

        return run

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Count the time of a method as a part's."""
        setattr(owner, name, self.timed(part, getattr(owner, name)))


def train(options: argparse.Namespace, values: dict[str, str]) -> None:
    """Train, each step when a line on standard input allows it; say on standard output when the next could begin."""
    import torch
    from nic_train import loop, recipes, run
    from nic_train.data import sampling
    from nic_train.request import Request
    from torch.optim.swa_utils import AveragedModel

    codec, steps = options.codecs[0], options.steps
    torch.set_num_threads(options.threads)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    clock, step = Clock(), loop.Loop.training_step
    clock.watch(sampling.Crops, "__getitem__", "data")
    clock.watch(loop.Loop, "manual_backward", "backward")
    clock.watch(torch.nn.utils, "clip_grad_norm_", "clipping")
    clock.watch(AveragedModel, "update_parameters", "average")

    choice = recipes.Choice(codec, {**values, "steps": steps + 1})
    clock.watch(type(recipes.make_recipe(codec, choice)), "loss", "forward")
    configure = loop.Loop.configure_optimizers

    def watched_optimizers(self: Any) -> Any:
        found = configure(self)
        for optimizer in found:
            clock.watch(optimizer, "step", "optimizer")
        return found

    def step_in_turn(self: Any, *arguments: Any) -> Any:
        # The first line says that all is ready; later ones bring the time and the loss of the step before.
        loss = float(self.shown["loss"]) if self.shown else None
        answers.write(json.dumps({"loss": loss, "cpu": time.process_time(), "parts": clock.seconds}) + "\n")
        answers.flush()
        clock.seconds.clear()
        if not sys.stdin.readline():
            raise SystemExit("nobody waits for this training")
        return step(self, *arguments)

    loop.Loop.configure_optimizers = watched_optimizers  # type: ignore[method-assign]
    loop.Loop.training_step = step_in_turn  # type: ignore[method-assign]
    # Older checkouts know no compiling, and ask whether to resume.
    more: dict[str, Any] = {"compile": True} if options.compile else {}
    begin: dict[str, Any] = {"resume": False} if "resume" in inspect.signature(run.train).parameters else {}
    request = Request(
        codec, choice, options.data, precision=options.precision, workers=0, checkpoint_steps=10**6, **more
    )
    with tempfile.TemporaryDirectory() as folder:
        run.train(request, Path(folder) / "run", run.Machine("cpu"), **begin)


class Checkout:
    """A training process of a checkout that waits for its turn."""

    def __init__(self, root: Path, options: argparse.Namespace, codec: str, more: list[str]) -> None:
        self.root = root
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        self.losses: list[float] = []
        self.parts: list[dict[str, float]] = []
        found = [str(path) for room in ("packages", "plugins", "tools") for path in sorted(root.glob(f"{room}/*/src"))]
        if not found:
            raise SystemExit(f"{root} holds no checkout")
        values = [value.partition(".")[2] for value in options.set if value.startswith(f"{codec}.")]
        threads = str(options.threads)
        command = [sys.executable, __file__, codec, "--data", options.data, "--steps", str(options.steps), "--turns"]
        command += ["--threads", threads, *more, *(word for value in values for word in ("--set", value))]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(found), "OMP_NUM_THREADS": threads}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        self._cpu = self._answer()["cpu"]

    def turn(self) -> None:
        """Train a step, up to where the next could begin."""
        assert self._process.stdin is not None
        start = time.perf_counter()
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.seconds.append(time.perf_counter() - start)
        self.cpu.append(answer["cpu"] - self._cpu)
        self._cpu = answer["cpu"]
        self.losses.append(answer["loss"])
        self.parts.append(answer["parts"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the training of {self.root} ended with {self._process.wait()}")
        return json.loads(line)

    def end(self) -> None:
        """Stop the process."""
        self._process.kill()
        self._process.wait()

    @property
    def median(self) -> float:
        """Seconds a step."""
        return statistics.median(self.seconds[WARM_UP:])

    @property
    def median_cpu(self) -> float:
        """Seconds of CPU time a step, of all threads."""
        return statistics.median(self.cpu[WARM_UP:])

    def row(self, batch: int) -> list[str]:
        """Return the table's cells: pictures per second, seconds a step, and of each part."""
        means = [statistics.median(found.get(part, 0.0) for found in self.parts[WARM_UP:]) for part in PARTS]
        rest = self.median - sum(means)
        return [
            f"{batch / self.median:.2f}",
            *(f"{seconds:.3f}" for seconds in (self.median, self.median_cpu, *means, rest)),
        ]


@contextmanager
def training(roots: list[Path], options: argparse.Namespace, codec: str) -> Iterator[list[Checkout]]:
    """Start a checkout's process after the other, and end them all."""
    with ExitStack() as stack:
        found = []
        for root in roots:
            more = ["--precision", options.precision, *["--compile"] * options.compile] if root == HERE else []
            found.append(Checkout(root, options, codec, more))
            stack.callback(found[-1].end)
        yield found


def measure(roots: list[Path], options: argparse.Namespace, codec: str) -> None:
    """Train a codec's recipe in the checkouts and print what it took."""
    from nic_train.recipes import Choice, make_recipe

    values = dict(value.partition(".")[2].split("=", 1) for value in options.set if value.startswith(f"{codec}."))
    batch = make_recipe(codec, Choice(codec, dict(values))).batch
    with training(roots, options, codec) as checkouts:
        for _ in range(options.steps):
            for checkout in checkouts:
                checkout.turn()
    print(f"\n{codec}, {options.threads} threads, median of {options.steps - WARM_UP} steps, seconds")
    lines = [["checkout", "pictures/s", "step", "CPU", *PARTS, "rest"], ["---"] * (len(PARTS) + 5)]
    names = ["this", *(["against"] if len(roots) > 1 else [])]
    lines += [[name, *checkout.row(batch)] for name, checkout in zip(names, checkouts, strict=True)]
    shown = [step for step in LOSSES_AT if step <= options.steps]
    lines += [[], ["loss after step", *map(str, shown)], ["---"] * (len(shown) + 1)]
    lines += [
        [name, *(f"{checkout.losses[step - 1]:.6g}" for step in shown)]
        for name, checkout in zip(names, checkouts, strict=True)
    ]
    print("\n".join(f"| {' | '.join(line)} |" if line else "" for line in lines))
    if len(checkouts) > 1:
        this, other = checkouts
        ratios = f"{other.median / this.median:.2f} by time, {other.median_cpu / this.median_cpu:.2f} by CPU time"
        print(f"\npictures per second, this / against: {ratios}", flush=True)


def main(given: list[str] | None = None) -> None:
    """Measure and print. given: arguments other than the command line's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("codecs", nargs="*", default=["mini", "tbtc-conv-charm"], metavar="CODEC")
    parser.add_argument("--data", required=True, help="folder of training pictures")
    parser.add_argument("--against", type=Path, help="another checkout, such as a git worktree of an older commit")
    parser.add_argument("--steps", type=int, default=12, help="of each, the first two not counted [default: 12]")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="CODEC.NAME=VALUE", help="a recipe's value")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of this checkout")
    parser.add_argument("--compile", action="store_true", help="torch.compile for this checkout")
    parser.add_argument("--turns", action="store_true", help=argparse.SUPPRESS)  # of the processes that train
    options = parser.parse_args(given)
    if options.turns:
        values = dict(value.split("=", 1) for value in options.set)
        train(options, values)
        return
    if options.steps <= WARM_UP:
        parser.error(f"--steps must be above {WARM_UP}")
    options.data = str(Path(options.data).resolve())
    roots = [HERE, *([options.against.resolve()] if options.against else [])]
    for codec in options.codecs:
        measure(roots, options, codec)


if __name__ == "__main__":
    main()
