"""Which shape and which recipe of mini learn best in equal time: a table of losses on held-out pictures.

python tools/benchmarks/equal_time.py --data train/ --val valid/ --out runs/equal first latents-320 analysis
python tools/benchmarks/equal_time.py --out runs/equal                 only prints what is finished
python tools/benchmarks/equal_time.py --list

Time is CPU time of the training process, which computes on one thread: other work on the machine makes a candidate
wait, but takes nothing from it. Each candidate trains through `nic train`'s own loop on the same draws of pictures,
from its first step, and is then measured on centre crops, with rounding, at three qualities. Runs and results stay in
--out: the command can be stopped (Ctrl-C) and repeated, run several times side by side for different candidates, and
given more --minutes, with which the same runs go on.
"""

import csv
import json
import os
import signal
import statistics
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import torch
from nic_core.files.atomic import atomic_write
from nic_mini.model import Mini
from nic_mini.recipe import MiniRecipe
from nic_nn.training.recipe import bits_per_pixel
from nic_train import checkpoints, run
from nic_train.data import loader
from nic_train.loop import Loop
from nic_train.recipes import Choice
from nic_train.request import Request
from torch.utils.flop_counter import FlopCounterMode

QUALITIES = (10.0, 50.0, 90.0)
CROP = 512

COMMON = {"batch": 8, "crop": 128, "warmup": 100, "schedule": "constant", "ema": 0.99, "lr": 2e-3}
FIRST: dict[str, Any] = {
    "widths": (48, 96, 160),
    "blocks": (1, 2, 2),
    "slices": (16, 16, 32, 96),
    "features": 128,
    "context": 96,
}
"""The shape of the first bundled weights."""
LATENTS: dict[str, Any] = {"slices": (16, 32, 64, 208), "widths": (48, 96, 152), "around": 3}

CANDIDATES: dict[str, dict[str, Any]] = {
    "first": FIRST,
    "latents-320": {**FIRST, **LATENTS},
    "latents-256": {**FIRST, "slices": (16, 32, 64, 144), "widths": (48, 96, 152), "context": 80, "features": 96},
    "analysis": {**FIRST, "analysis_blocks": (5, 4, 2)},
    "deep": {**FIRST, "widths": (32, 96, 152), "blocks": (1, 2, 3)},
    "soap": {**FIRST, "optimizer": "soap", "lr": 3e-3},
    "adam": {**FIRST, "optimizer": "adam", "lr": 5e-4},
    "depthwise": {**FIRST, "widths": (48, 96, 224), "blocks": (1, 2, 4), "kernels": (0, 0, 7)},
    "scale": {**FIRST, "scale": (0.5, 1.0)},
    "crops": {**FIRST, "crop": 64},
    "batches": {**FIRST, "batch": 4},
}
LATER: dict[str, dict[str, Any]] = {"crops": {"crop": 192}, "batches": {"batch": 16}}
"""What changes after half of the time."""


@dataclass(frozen=True)
class Result:
    """What a candidate's training came to.

    kmacs: thousands of multiply-accumulates a pixel, by transform.
    averaged, plain: by quality, loss, bpp and PSNR, with averaged weights and with those of the last step.
    """

    name: str
    values: dict[str, Any]
    parameters: int
    kmacs: dict[str, float]
    steps: int
    cpu_minutes: float
    averaged: dict[str, dict[str, float]] = field(default_factory=dict)
    plain: dict[str, dict[str, float]] = field(default_factory=dict)


def train(values: dict[str, Any], data: Path, folder: Path, minutes: float, seed: int) -> None:
    """Train until it has taken so many minutes of CPU time, in all the processes that trained it."""
    record = folder / "cpu-minutes.txt"
    before = float(record.read_text()) if record.exists() else 0.0
    if before >= minutes:
        return

    start = time.process_time()

    def left() -> float:
        return 60 * (minutes - before) - (time.process_time() - start)

    def stop(number: int, frame: Any) -> None:
        if left() > 0:  # the system's timer counts ticks, and is a little early or late
            signal.setitimer(signal.ITIMER_PROF, max(left(), 0.01))
        else:
            os.kill(os.getpid(), signal.SIGTERM)  # which a run takes as: stop after this step, with a checkpoint

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, left())
    values = {**COMMON, **values, "steps": 10**6}
    request = Request(
        "mini", Choice("mini", values), str(data), seed=seed, precision="fp32", workers=0, checkpoint_steps=10**6
    )
    run.train(request, folder, run.Machine("cpu"), resume=checkpoints.path_of(folder).exists())
    signal.setitimer(signal.ITIMER_PROF, 0)
    atomic_write(record, f"{before + (time.process_time() - start) / 60:.4f}\n".encode())
    if left() > 0:
        raise click.Abort


def measure(model: Mini, val: Path) -> dict[str, dict[str, float]]:
    """Return the means of loss, bpp and PSNR over centre crops of the held-out pictures, by quality."""
    batches = loader.validation_loader(loader.open_source(str(val), CROP, quiet=True), CROP, 1)
    recipe = MiniRecipe(codec="mini")
    found: dict[str, dict[str, float]] = {}
    for quality in QUALITIES:
        lmbda = float(model.lambda_of(torch.tensor(quality)))
        rows = []
        for batch in batches:
            x = batch.as_float().pixels
            output = model(x, quality)
            bpp = float(bits_per_pixel(output, x))
            distortion, shown = recipe.distortion(output["x_hat"].clamp(0, 1), x)
            rows.append({"loss": bpp + lmbda * float(distortion), "bpp": bpp, "psnr": float(shown["psnr"])})
        found[f"{quality:.0f}"] = {key: statistics.fmean(row[key] for row in rows) for key in rows[0]}
    return found


def kmacs(model: Mini) -> dict[str, float]:
    """Return thousands of multiply-accumulates a pixel of g_a, g_s, and of the hyper-synthesis with the contexts."""
    side = 256
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, side, side))
    counts = {name: sum(found.values()) / 2 / side**2 / 1000 for name, found in counter.get_flop_counts().items()}
    transforms = {name: counts[f"Mini.{name}"] for name in ("g_a", "g_s", "h_a")}
    return {**transforms, "h_s": counts["Global"] - sum(transforms.values())}


@torch.inference_mode()
def relative_times(results: list[Result]) -> list[float]:
    """Return CPU seconds of g_s for 768 x 512 pixels, relative to those of FIRST's: the least of 9, taken in turns."""
    shapes = [FIRST, *(result.values for result in results)]
    models = [MiniRecipe(codec="mini", **shape).build_model().eval() for shape in shapes]
    least = [float("inf")] * len(models)
    for _ in range(9):
        for number, model in enumerate(models):
            y = torch.zeros(1, model.channels[0], 32, 48).to(memory_format=torch.channels_last)
            synthesis = model.g_s.to(memory_format=torch.channels_last)
            start = time.process_time()
            synthesis(y)
            least[number] = min(least[number], time.process_time() - start)
    return [seconds / least[0] for seconds in least[1:]]


@torch.no_grad()
def finish(name: str, folder: Path, val: Path) -> Result:
    """Measure a trained candidate."""
    state = checkpoints.read(checkpoints.path_of(folder))
    recipe = MiniRecipe(codec="mini", **{**COMMON, **CANDIDATES[name]})
    loop = Loop(recipe, recipe.stages())
    loop.load_state_dict(state["state_dict"])
    model: Mini = loop.validated.model.eval()
    plain: Mini = loop.networks.model.eval()
    return Result(
        name,
        {**COMMON, **CANDIDATES[name]},
        sum(parameter.numel() for parameter in plain.parameters()),
        kmacs(plain),
        state["step"],
        float((folder / "cpu-minutes.txt").read_text()),
        measure(model, val),
        measure(plain, val),
    )


def table(results: list[Result]) -> str:
    """Return a Markdown table.

    ratio: of the losses to the first row's, mean of the three qualities. averaged / plain: of the losses with averaged
    weights, which are shown, to those with the last step's.
    """
    rates = [f"q {quality:.0f}: loss (bpp, dB)" for quality in QUALITIES]
    costs = ["parameters", "kMAC/pixel g_a / g_s / h_s + contexts", "g_s time", "steps"]
    head = ["candidate", *costs, *rates, "ratio", "averaged / plain"]
    lines = [head, ["---"] * len(head)]
    for result, synthesis in zip(results, relative_times(results), strict=True):
        at = {key: f"{row['loss']:.4f} ({row['bpp']:.3f}, {row['psnr']:.2f})" for key, row in result.averaged.items()}
        cost = " / ".join(f"{result.kmacs[part]:.1f}" for part in ("g_a", "g_s", "h_s"))
        ratio = statistics.fmean(row["loss"] / results[0].averaged[q]["loss"] for q, row in result.averaged.items())
        averaging = statistics.fmean(row["loss"] / result.plain[q]["loss"] for q, row in result.averaged.items())
        shape = [result.name, f"{result.parameters / 1e6:.2f} M", cost, f"{synthesis:.2f}", str(result.steps)]
        lines.append([*shape, *at.values(), f"{ratio:.3f}", f"{averaging:.3f}"])
    return markdown(lines)


def curves(folders: list[Path]) -> str:
    """Return a Markdown table of the training losses, means of 50 steps on the same draws, by step."""
    losses: list[dict[int, str]] = []
    for folder in folders:
        rows = [row for path in folder.glob("metrics/csv/*/metrics.csv") for row in csv.DictReader(path.open())]
        losses.append({int(row["step"]): f"{float(row['loss']):.2f}" for row in rows if row.get("loss")})
    steps = [step for step in sorted(losses[0]) if step % 300 == 0]
    lines = [
        [folder.name, *(found.get(step, "") for step in steps)] for folder, found in zip(folders, losses, strict=True)
    ]
    return markdown([["training loss at step", *map(str, steps)], ["---"] * (len(steps) + 1), *lines])


def markdown(lines: list[list[str]]) -> str:
    """Return rows as a Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.argument("names", nargs=-1, type=click.Choice(list(CANDIDATES)), metavar="[CANDIDATE]...")
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Folder of training pictures.")
@click.option("--val", type=click.Path(exists=True, path_type=Path), help="Folder of held-out pictures.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of runs and results.")
@click.option("--minutes", default=20.0, show_default=True, help="CPU time of each training.")
@click.option("--seed", default=0, show_default=True)
@click.option("--list", "show", is_flag=True, help="Show the candidates.")
def main(
    names: tuple[str, ...], data: Path | None, val: Path | None, out: Path | None, minutes: float, seed: int, show: bool
) -> None:
    """Train what is not finished, and print the table of what is."""
    if show:
        for name, values in CANDIDATES.items():
            click.echo(f"{name}: {_listed(values)}{f', later {_listed(LATER[name])}' if name in LATER else ''}")
        return
    if out is None or (names and (data is None or val is None)):
        raise click.UsageError("give --out, and --data and --val to train")
    torch.set_num_threads(1)
    for name in names:
        path = result_of(out, name, minutes)
        if not path.exists():
            assert data is not None and val is not None
            if name in LATER:
                train(CANDIDATES[name], data, out / name, minutes / 2, seed)
            train(CANDIDATES[name] | LATER.get(name, {}), data, out / name, minutes, seed)
            atomic_write(path, json.dumps(asdict(finish(name, out / name, val)), indent=1).encode())
    done = [path for name in CANDIDATES if (path := result_of(out, name, minutes)).exists()]
    if done:
        results = [Result(**json.loads(path.read_text())) for path in done]
        click.echo(f"{table(results)}\n\n{curves([out / result.name for result in results])}")


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())


def result_of(out: Path, name: str, minutes: float) -> Path:
    """Return where the result of a candidate after so many minutes is kept."""
    return out / f"{name}-{minutes:g}.json"


if __name__ == "__main__":
    main()
