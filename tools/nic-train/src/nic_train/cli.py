"""`nic train`: start, resume or export a run."""

import dataclasses
from pathlib import Path
from typing import Any

import click
from nic_core.errors import BadOption, NicError
from nic_core.plugins import records


@click.command()
@click.argument("codec", required=False)
@click.option("--data", type=click.Path(path_type=Path), help="Folder tree of training pictures.")
@click.option("--val", type=click.Path(path_type=Path), help="Folder tree of held-out pictures.")
@click.option("--recipe", metavar="NAME", help="Which of the codec's recipes; default: its first (see --list).")
@click.option("--lambda", "lmbda", type=float, help="Rate-distortion trade-off: loss = lambda * 255^2 * MSE + bpp.")
@click.option("--steps", type=click.IntRange(1), help="Optimizer steps in all.")
@click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="Any other value of the recipe; repeatable.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run: checkpoints, metrics, weights.")
@click.option("--init", "initial", type=click.Path(path_type=Path), help="Weights file to start from.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a run; give only changes.")
@click.option("--export", "exported", type=click.Path(path_type=Path), metavar="RUN", help="Only write RUN's weights.")
@click.option("--name", default="", help="Name of the exported weights [default: codec and lambda].")
@click.option("--quality", type=click.FloatRange(1, 100), help="Quality of the exported weights [default: by lambda].")
@click.option("--licence", default="", help="Licence of the exported weights.")
@click.option("--rank", default=0, help="Rank of the exported weights; the highest becomes the default codec.")
@click.option("--half", is_flag=True, help="Export the transforms in float16: half the size.")
@click.option("--seed", default=0, show_default=True)
@click.option("--precision", type=click.Choice(["bf16", "fp32"]), default="bf16", show_default=True)
@click.option("--minutes", type=float, default=0, help="Stop, with a checkpoint, after this long.")
@click.option("--list", "list_recipes", is_flag=True, help="Show the recipes of all installed codecs.")
def train(
    codec: str | None,
    data: Path | None,
    val: Path | None,
    recipe: str | None,
    lmbda: float | None,
    steps: int | None,
    values: tuple[str, ...],
    out: Path | None,
    initial: Path | None,
    resume: Path | None,
    exported: Path | None,
    name: str,
    quality: float | None,
    licence: str,
    rank: int,
    half: bool,
    seed: int,
    precision: str,
    minutes: float,
    list_recipes: bool,
) -> None:
    """Train a codec on a folder of pictures and export a weights file.

    \b
    nic train tbtc-conv-charm --data photos/ --lambda 0.01 --out runs/charm
    nic train --resume runs/charm                 goes on after Ctrl-C
    nic train --export runs/charm --half          writes runs/charm/weights.safetensors
    nic encode a.png --codec tbtc-conv-charm --weights runs/charm/weights.safetensors

    A run stops at any moment and keeps its last checkpoint. docs/train.md explains the recipes' values.
    """
    if list_recipes:
        show_recipes()
        return
    from nic_train import run  # imports torch and Lightning, which --help and --list can do without

    settings = run.ExportSettings(name, quality, licence, rank, half)
    if exported is not None:
        click.echo(f"wrote {run.export_run(exported, settings)}")
        return
    changed = parse_values(values)
    changed |= {key: str(value) for key, value in (("lmbda", lmbda), ("steps", steps)) if value is not None}
    if resume is not None:
        request = run.read_request(resume)
        out = resume
        request = dataclasses.replace(request, data=str(data or request.data), val=str(val) if val else request.val)
    else:
        if codec is None or data is None or out is None:
            raise click.UsageError("name a codec, --data DIR and --out RUN (or --resume RUN, --export RUN, --list)")
        spec = run.recipe_spec(codec, recipe)
        request = run.Request(codec, spec.name, {}, str(data), str(val) if val else None, seed, precision)
    request = request.with_values(changed)
    if lmbda is not None and request.make_recipe().quality_range is not None:
        click.echo(f"nic: {request.codec} trains all its qualities at once; --lambda is not used", err=True)
    if run.train(request, out, resume=resume is not None, initial=initial, minutes=minutes):
        click.echo(f"wrote {run.export_run(out, settings)}")
    else:
        click.echo(f"stopped; go on with: nic train --resume {out}")


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
