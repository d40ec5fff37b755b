"""`nic train`: start, resume or export a run."""

import shlex
from pathlib import Path
from typing import Any

import click
from nic_core.cli.bars import working
from nic_core.cli.flags import with_making
from nic_core.cli.system.completion import CodecName
from nic_core.errors import BadOption, NicError
from nic_core.plugins import records

FILE = click.Path(path_type=Path)

SECTIONS = {
    "Start here": ("data", "val", "out", "lmbda", "steps", "resume", "list_recipes"),
    "What is trained": ("recipe", "values", "files", "captions", "labels", "no_lpips", "initial", "seed"),
    "Machine": ("precision", "accumulate", "device", "devices", "nodes", "workers", "cache", "minutes"),
    "Checkpoints and logs": ("val_steps", "checkpoint_steps", "keep_steps", "log_every", "wandb"),
    "Exported weights": ("exported", "step", "name", "quality", "licence", "rank", "half", "calibrate", "integers_of"),
}


class Sections(click.Command):
    """A command whose help shows the options that everyone needs first, and the others by what they are about."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by section."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = {option.name: option.get_help_record(ctx) for option in options}
        named = {name for names in SECTIONS.values() for name in names}
        rest = tuple(name for name in records if name not in named)
        for title, names in (*SECTIONS.items(), ("Other", rest)):
            if rows := [record for name in names if (record := records[name])]:
                with formatter.section(title):
                    formatter.write_dl(rows)


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
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any other value of the recipe, or size of the model (model.NAME=VALUE); repeatable.",
)
@click.option("--no-lpips", is_flag=True, help="Train without LPIPS, and without its network, where a recipe has it.")
@click.option("--out", type=FILE, metavar="RUN", help="New folder of the run: checkpoints, metrics, weights.")
@click.option("--init", "initial", type=FILE, metavar="WEIGHTS", help="Weights file to start from.")
@click.option("--resume", type=FILE, metavar="RUN", help="Go on with a run; give only changes.")
@click.option("--export", "exported", type=FILE, metavar="RUN", help="Only write RUN's weights.")
@click.option(
    "--step", type=click.IntRange(1), metavar="N", help="With --export: which kept checkpoint [default: the last]."
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
    values: tuple[str, ...],
    no_lpips: bool,
    out: Path | None,
    initial: Path | None,
    resume: Path | None,
    exported: Path | None,
    step: int | None,
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
    nic encode a.png --codec tbtc-conv-charm --weights runs/charm/weights.safetensors

    A run stops at any moment and keeps its last checkpoint; resumed, it ends with the weights that it would have had.
    docs/train.md explains the recipes' values, recipe files and training on several GPUs.
    """
    if list_recipes:
        show_recipes()
        return 0
    from nic_train import export, run  # import torch and Lightning, which --help and --list can do without
    from nic_train.checkpoints import path_of
    from nic_train.recipes import choose
    from nic_train.request import Request, read_record

    settings = export.ExportSettings(name, quality, licence, rank, half, step, calibrate, integers_of)
    if exported is not None:
        write_weights(exported, settings)
        return 0
    if resume is not None:
        if codec or recipe or out:
            raise click.UsageError("--resume takes codec, recipe and folder from the run; leave them out")
        out, request = resume, read_record(resume).request
    else:
        wanted = {"the codec": codec, "--data DIR": given["data"], "--out RUN": out}
        if missing := [what for what, value in wanted.items() if value is None]:
            raise click.UsageError(
                f"{' and '.join(missing)} missing, as in: nic train CODEC --data DIR --out RUN "
                "(or give --resume RUN, --export RUN or --list)"
            )
        assert codec is not None and out is not None
        request = Request(codec, choose(codec, recipe), given["data"])
    changes = parse_values(values)
    if no_lpips:
        changes["lpips"] = "false"
    changes |= {key: str(value) for key, value in (("lmbda", lmbda), ("steps", steps)) if value is not None}
    request = request.changed(changes, **given)
    if lmbda is not None and request.recipe().quality_range is not None:
        click.echo(f"nic: {request.codec} trains all its qualities at once; --lambda is not used", err=True)

    for flag, need in (("captions", "text"), ("labels", "labels")):
        if given[flag] and need not in request.needs():
            click.echo(f"nic: the recipe {request.choice.name} needs no {flag}; --{flag} is not used", err=True)

    machine = run.Machine(device, devices, nodes, minutes, wandb)
    outcome = run.train(request, out, machine, resume=resume is not None, initial=initial)
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
        path, info = export.export_run(run, settings)
    click.echo(f"wrote {path}")
    if info.integers:
        click.echo(f"its integers: {info.integers}")


def parse_values(values: tuple[str, ...]) -> dict[str, str]:
    """Return KEY=VALUE texts as a dictionary; BadOption where one has another form."""
    parsed = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadOption(f"--set takes KEY=VALUE, not {text!r}")
        parsed[key] = value
    return parsed


def show_recipes() -> None:
    """Print all recipes."""
    found: list[Any] = [spec for _, spec in records("nic_recipes")]
    if not found:
        raise NicError("no installed plugin brings a recipe; try: pip install nic-mini")
    width = max(len(spec.codec) for spec in found)
    for spec in found:
        click.echo(f"{spec.codec:<{width}}  {spec.name}  {spec.summary}")
