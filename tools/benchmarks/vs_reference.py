"""A codec against its authors' code: seconds of encoding and decoding, measured in turns in fresh processes.

python tools/benchmarks/vs_reference.py tbtc-conv-charm --checkout TBTC
python tools/benchmarks/vs_reference.py cca --checkout CCA --processes 2

--checkout is a working tree of github.com/ali-zafari/TBTC, LabShuHangGU/CCA or effl-lab/TACO. Both have the same random
weights, as its authors' importer reads them, and code the same picture, each with as many threads as there are cores.
Ours is timed from pixels to the stream and from the stream to pixels, theirs from and to tensors of floats. TACO is
given the features of a caption; CLIP, which makes them, is not timed.

On a busy machine, `OMP_NUM_THREADS=1` and --clock cpu compare what each side computes: seconds of the processor hardly
depend on what else runs.

With --processes 2 two processes of each run at once, and all of them on the same cores: what falls behind there, waits
for threads more than it computes. Prints medians over all runs of a side, and ours as a multiple of theirs.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import nic_core
import numpy as np
import torch
from nic_core.cores import cores
from nic_core.format.container import Header
from nic_core.format.tiling import Area
from nic_core.host.runtimes import RUNTIMES
from nic_core.memory import keep_freed_memory
from nic_core.plugins import records
from nic_core.spec import resolve
from nic_eval.bench.picture import leaves
from nic_latent.integers.edges import NO_EDGES
from reference_models import CODECS, reference, text_features

WIDTH, HEIGHT = 768, 512
SIDES = ("theirs", "ours")
CHECKPOINT, WEIGHTS = "theirs.pth", "ours.safetensors"
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"""What tells seconds: those that pass, or those that the processor's cores spend on the process."""
OURS = {"GOMP_SPINCOUNT": "1000"}
"""What `nic` sets for itself, unless it is set."""
Coding = tuple[Callable[[], Any], Callable[[Any], Any]]
"""What encodes the picture, and what decodes that; the latter returns something like pixels."""


def prepare(codec: str, checkout: Path, folder: Path) -> None:
    """Write a checkpoint of the authors' model, and the weights that ours are imported as."""
    torch.save(reference(codec, checkout).state_dict(), folder / CHECKPOINT)


def take_over(codec: str, folder: Path) -> None:
    """Import the checkpoint; not where a compressai of another version is loaded."""
    (importer,) = [spec for _, spec in records("nic_importers") if spec.codec == codec]
    resolve(importer.target)(codec, folder / CHECKPOINT, folder / WEIGHTS)


def theirs(codec: str, checkout: Path) -> Coding:
    """Return the authors' model at work."""
    model = reference(codec, checkout)
    x = torch.from_numpy(leaves(WIDTH, HEIGHT)).permute(2, 0, 1)[None].float() / 255
    given = (x, text_features()) if codec == "taco" else (x,)
    return lambda: model.compress(*given), lambda coded: model.decompress(coded["strings"], coded["shape"])["x_hat"]


def ours(codec: str, runtime: str, folder: Path) -> Coding:
    """Return our codec at work, as the command line runs it."""
    keep_freed_memory()
    loaded = nic_core.load(codec, folder / WEIGHTS, "cpu", runtime)
    opened: Any = loaded.opened(loaded.weights[0])
    pixels, options = leaves(WIDTH, HEIGHT), {"features": text_features()} if codec == "taco" else {}
    header = Header(WIDTH, HEIGHT, 3, 8, codec, "interleaved", "", "", None, 0)
    z_size = (HEIGHT // opened.stride, WIDTH // opened.stride)

    def encode() -> bytes:
        return opened.encode_latents(*opened.latents(pixels, None, options))[0]

    def decode(stream: bytes) -> np.ndarray:
        y_hat, _ = opened.decode_latents(stream, z_size, header.coder, NO_EDGES)
        return opened.synthesised(y_hat, Area(0, 0, WIDTH, HEIGHT), header, {})

    return encode, decode


@torch.inference_mode()
def times(
    encode: Callable[[], Any], decode: Callable[[Any], Any], seconds: float, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Return the seconds of runs in turns, for at least so many seconds, after one that does not count."""
    decode(encode())
    found: dict[str, list[float]] = {"encode": [], "decode": []}
    begin = time.perf_counter()
    while len(found["encode"]) < 2 or time.perf_counter() - begin < seconds:
        start = clock()
        coded = encode()
        middle = clock()
        decode(coded)
        found["encode"].append(middle - start)
        found["decode"].append(clock() - middle)
    return found


def run_at_once(commands: list[list[str]], **variables: str) -> list[dict[str, list[float]]]:
    """Return what processes of this script print, which run at the same time; variables: of their environment."""
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(cores())), **variables}
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, *command],
            env={**environment, **OURS} if command[-1] == "ours" else environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    try:
        ended = [(process, *process.communicate()) for process in running]
    except BaseException:
        for process in running:
            process.kill()
        raise
    for process, _, error in ended:
        if process.returncode:
            raise click.ClickException(" ".join(error.strip().splitlines()[-1:]) or "a process died")
    return [json.loads(out or "{}") for _, out, _ in ended]


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.argument("codec", type=click.Choice(list(CODECS)))
@click.option("--checkout", type=click.Path(exists=True, path_type=Path), required=True, help="The authors' code.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Processes of each, in turns.")
@click.option("--seconds", default=10.0, show_default=True, help="That each process measures for.")
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="Of each, all at once if 2.")
@click.option("--runtime", type=click.Choice(RUNTIMES[1:]), default="torch", show_default=True, help="Of ours.")
@click.option("--clock", type=click.Choice(list(CLOCKS)), default="wall", show_default=True, help="Which seconds.")
@click.option("--side", type=click.Choice([*SIDES, "checkpoint", "weights"]), hidden=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Of a codec: keeps its weights between calls.")
def main(
    codec: str,
    checkout: Path,
    rounds: int,
    seconds: float,
    processes: int,
    runtime: str,
    clock: str,
    side: str | None,
    folder: Path | None,
) -> None:
    """Measure and print."""
    if side and folder:
        jobs: dict[str, Callable[[], Any]] = {
            "checkpoint": partial(prepare, codec, checkout, folder),
            "weights": partial(take_over, codec, folder),
            "theirs": lambda: click.echo(json.dumps(times(*theirs(codec, checkout), seconds, CLOCKS[clock]))),
            "ours": lambda: click.echo(json.dumps(times(*ours(codec, runtime, folder), seconds, CLOCKS[clock]))),
        }
        jobs[side]()
        return
    measured: dict[str, list[dict[str, list[float]]]] = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory() as name:
        folder = folder or Path(name)
        folder.mkdir(exist_ok=True)
        common = [codec, "--checkout", str(checkout), "--folder", str(folder), "--seconds", str(seconds)]
        common += ["--runtime", runtime, "--clock", clock]
        for step, file in (("checkpoint", CHECKPOINT), ("weights", WEIGHTS)):
            if not (folder / file).exists():
                run_at_once([[*common, "--side", step]], NIC_GRAPHS=str(int(runtime == "onnx")))
        groups = [SIDES] if processes > 1 else [(side,) for side in SIDES]
        for _ in range(rounds):
            for group in groups:
                sides = [side for side in group for _ in range(processes)]
                commands = [[*common, "--side", side] for side in sides]
                for side, found in zip(sides, run_at_once(commands), strict=True):
                    measured[side].append(found)
    row = [codec, str(processes)]
    for direction in ("encode", "decode"):
        middle = {side: statistics.median(t for one in measured[side] for t in one[direction]) for side in SIDES}
        row += [*(f"{middle[side]:.2f}" for side in SIDES), f"{middle['ours'] / middle['theirs']:.2f}"]
    click.echo("| codec | processes of each | encode, theirs (s) | ours | ratio | decode, theirs (s) | ours | ratio |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- | --- |")
    click.echo(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
