"""`nic train`: start, resume or export a run."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from nic_core.cli.bars import working
from nic_core.cli.flags import with_making
from nic_core.cli.system.completion import CodecName
from nic_core.errors import BadOption, NicError
from nic_core.plugins import records

from nic_train.arguments import Sections, StepName, parse_crop, parse_values

FILE = click.Path(path_type=Path)


@click.command(cls=Sections)
@click.argument("codec", required=False, type=CodecName())
@click.option("--data", metavar="DIR", help="Folder tree of pictures, or shards ('set-{000..099}.tar', .tfrecord).")
@click.option("--val", metavar="DIR", help="Folder tree of held-out pictures.")
@click.option("--files", metavar="FILE", help="List of the pictures of --data to take: JSON, or a name a line.")
@click.option(
    "--captions", metavar="FILE", help="Captions: COCO JSON, JSON of {file: text}, or lists: NAMES.json,TEXTS.json."
)
@click.option("--labels", metavar="PATH", help="Label maps: folder of PNG files, or COCO's JSON files.")
@click.option("--recipe", metavar="NAME|FILE.toml", help="One of the codec's (see --list) [default: its first].")
@click.option(
    "--lambda", "lmbda", type=float, metavar="L", help="Rate-distortion trade-off: loss = lambda * 255^2 * MSE + bpp."
)
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Optimizer steps in all [default: the recipe's].")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Passes over the pictures, in place of --steps.")
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any other value of the recipe, or size of the model (model.NAME=VALUE); repeatable.",
)
@click.option("--stages", metavar="NAME,...", help="Only these stages of the recipe.")
@click.option(
    "--milestones", metavar="M,...", help="Where rates fall to a tenth: epochs of --epochs or the recipe's, else steps."
)
@click.option("--crop", metavar="SIDE|HxW", help="Size of training crops, or their height and width: 256x384.")
@click.option("--no-lpips", is_flag=True, help="Train without LPIPS, and without its network, where a recipe has it.")
@click.option("--out", type=FILE, metavar="RUN", help="New folder of the run: checkpoints, metrics, weights.")
@click.option(
    "--init",
    "initial",
    type=FILE,
    metavar="PATH",
    multiple=True,
    help="Weights, a part's file, a run or an authors' checkpoint to start from; repeatable.",
)
@click.option("--from", "source", type=FILE, metavar="RUN", help="Go on in a new run from where RUN was; give changes.")
@click.option("--resume", type=FILE, metavar="RUN", help="Go on with a run; give only changes.")
@click.option("--export", "exported", type=FILE, metavar="RUN", help="Only write RUN's weights.")
@click.option(
    "--step", type=StepName(), metavar="N|best", help="Which kept checkpoint to export or start from [default: last]."
)
@click.option(
    "--part",
    type=click.Choice(["model", "auxiliary", "adversary"]),
    help="What to export [default: the model, or what has learned].",
)
@click.option("--name", default="", metavar="NAME", help="Name of the exported weights [default: codec and lambda].")
@click.option(
    "--quality",
    type=click.FloatRange(1, 100),
    metavar="Q",
    help="Quality of the exported weights [default: by lambda].",
)
@click.option("--licence", default="", metavar="TEXT", help="Licence of the exported weights.")
@click.option(
    "--rank", default=0, metavar="N", help="Rank of the exported weights; the highest becomes the default codec."
)
@click.option("--half", is_flag=True, help="Export the transforms in float16: half the size.")
@with_making
@click.option("--seed", type=int, metavar="N", help="Of everything random [default: 0].")
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    help="Of the nets [default: auto, bf16 where the device computes in it]. A resumed run keeps its own.",
)
@click.option("--tf32/--no-tf32", default=None, help="Products of float32 in TF32 on GPUs [default: as PyTorch].")
@click.option("--compile/--no-compile", default=None, help="Compile the networks (torch.compile).")
@click.option(
    "--accumulate", type=click.IntRange(1), metavar="N", help="Compute a batch in this many pieces: less memory."
)
@click.option(
    "--workers", type=click.IntRange(0), metavar="N", help="Processes that load pictures [default: by machine]."
)
@click.option("--cache", type=click.FloatRange(0), metavar="GB", help="Memory for decoded pictures [default: 2].")
@click.option(
    "--log-every", type=click.IntRange(1), metavar="N", help="Steps between entries in the metrics [default: 50]."
)
@click.option(
    "--checkpoint-steps", type=click.IntRange(1), metavar="N", help="Steps between checkpoints [default: 1000]."
)
@click.option(
    "--keep-steps", type=click.IntRange(0), metavar="N", help="Steps between checkpoints that stay [default: 0, none]."
)
@click.option("--val-steps", type=click.IntRange(1), metavar="N", help="Steps between validations [default: 1000].")
@click.option(
    "--best", metavar="VALUE", help="Keep the best checkpoint by this value of validation, or none [default: loss]."
)
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda", "mps"]))
@click.option(
    "--devices", type=click.IntRange(0), metavar="N", default=0, help="Processes a machine [default: one for each GPU]."
)
@click.option(
    "--nodes", type=click.IntRange(1), metavar="N", default=1, help="Machines [default: 1; torchrun says it by itself]."
)
@click.option("--minutes", type=float, metavar="M", default=0, help="Stop, with a checkpoint, after this long.")
@click.option("--wandb", default="", metavar="PROJECT", help="Log to Weights & Biases too.")
@click.option("--list", "list_recipes", is_flag=True, help="Show the recipes of all installed codecs.")
def train(
    codec: str | None,
    recipe: str | None,
    lmbda: float | None,
    steps: int | None,
    epochs: int | None,
    values: tuple[str, ...],
    stages: str | None,
    milestones: str | None,
    crop: str | None,
    no_lpips: bool,
    out: Path | None,
    initial: tuple[Path, ...],
    source: Path | None,
    resume: Path | None,
    exported: Path | None,
    step: Any,
    part: str | None,
    name: str,
    quality: float | None,
    licence: str,
    rank: int,
    half: bool,
    calibrate: Path | None,
    integers_of: Path | None,
    device: str,
    devices: int,
    nodes: int,
    minutes: float,
    wandb: str,
    list_recipes: bool,
    **given: Any,
) -> int:
    """Train a codec on a folder of pictures and export a weights file.

    \b
    nic train tbtc-conv-charm --data photos/ --lambda 0.01 --out runs/charm
    nic train --resume runs/charm                 goes on after Ctrl-C, kill or a full disk
    nic train --export runs/charm --half          writes runs/charm/weights.safetensors
    nic train mini-best --data photos/ --init mini.safetensors --out runs/best      a recipe, of mini
    nic train --from runs/cca --step 56000 --set beta=3.5 --out runs/cca-3.5
    nic encode a.png --codec tbtc-conv-charm --weights runs/charm/weights.safetensors

    A run stops at any moment and keeps its last checkpoint; resumed, it ends with the weights that it would have had.
    docs/train.md explains the recipes' values, recipe files and training on several GPUs.
    """
    if list_recipes:
        show_recipes()
        return 0
    from nic_train import export, run  # import torch and Lightning, which --help and --list can do without
    from nic_train.checkpoints import path_of
    from nic_train.recipes import choose, named
    from nic_train.request import Request, read_record
    from nic_train.start.begin import Begin

    settings = export.ExportSettings(
        name, quality, licence, rank, half, None if exported is None else step, part or "", calibrate, integers_of
    )
    if exported is not None:
        write_weights(exported, settings)
        return 0
    if source is not None and (resume or initial):
        raise click.UsageError("--from goes with neither --resume nor --init: it says all of where the run begins")
    if step is not None and not (source or initial):
        raise click.UsageError("--step goes with --export, --from or --init")
    if resume is not None:
        if codec or recipe or out:
            raise click.UsageError("--resume takes codec, recipe and folder from the run; leave them out")
        out, request = resume, read_record(resume).request
    elif source is not None:
        if recipe or out is None:
            raise click.UsageError("--from takes the recipe from the run, and needs a new folder: --out RUN")
        request = read_record(source).request
        if codec not in (None, request.codec):
            raise BadOption(f"{source} trains {request.codec}, not {codec}")
    else:
        wanted = {"the codec": codec, "--data DIR": given["data"], "--out RUN": out}
        if missing := [what for what, value in wanted.items() if value is None]:
            raise click.UsageError(
                f"{' and '.join(missing)} missing, as in: nic train CODEC --data DIR --out RUN "
                "(or give --resume RUN, --export RUN or --list)"
            )
        assert codec is not None and out is not None
        codec, recipe = named(codec, recipe)
        request = Request(codec, choose(codec, recipe), given["data"])
    changes = parse_values(values)
    if no_lpips:
        changes["lpips"] = "false"
    numbers = (("lmbda", lmbda), ("steps", steps), ("epochs", epochs), ("milestones", milestones))
    changes |= {key: str(value) for key, value in numbers if value is not None}
    if milestones is not None:
        changes.setdefault("schedule", "drop")
    if crop is not None:
        changes |= parse_crop(crop)
    request = request.changed(changes, **given)
    if stages is not None:
        request = replace(request, choice=replace(request.choice, only=stages.split(",")))
    if lmbda is not None and request.recipe().quality_range is not None:
        click.echo(f"nic: {request.codec} trains all its qualities at once; --lambda is not used", err=True)

    for flag, need in (("captions", "text"), ("labels", "labels")):
        if given[flag] and need not in request.needs():
            click.echo(f"nic: the recipe {request.choice.name} needs no {flag}; --{flag} is not used", err=True)

    machine = run.Machine(device, devices, nodes, minutes, wandb)
    outcome = run.train(request, out, machine, Begin(resume is not None, initial, source, step))
    if outcome == "finished":
        write_weights(out, settings)
    elif outcome is not None and path_of(out).exists():
        click.echo(f"stopped; go on with: nic train --resume {shlex.quote(str(out))}")
    elif outcome is not None:
        click.echo("stopped before the first checkpoint")
    return 130 if outcome == "interrupted" else 0


def write_weights(run: Path, settings: Any) -> None:
    """Export a run, by `nic_train.export.ExportSettings`, and say what came of it."""
    from nic_train import export  # as above

    with working(f"exporting {run.name}"):
        written = export.export_run(run, settings)
    for file in written:
        click.echo(f"wrote {file.path}")
    if written[0].integers:
        click.echo(f"its integers: {written[0].integers}")


def show_recipes() -> None:
    """Print all recipes."""
    found: list[Any] = [spec for _, spec in records("nic_recipes")]
    if not found:
        raise NicError("no installed plugin brings a recipe; try: pip install nic-mini")
    width = max(len(spec.codec) for spec in found)
    for spec in found:
        click.echo(f"{spec.codec:<{width}}  {spec.name}  {spec.summary}")
