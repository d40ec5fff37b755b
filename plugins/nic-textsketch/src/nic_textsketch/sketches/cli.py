"""`nic sketches`: edge maps of photographs, to train the sketch codec on."""

from pathlib import Path
from typing import Any

import click
from nic_core.cli.flags import with_options
from nic_core.cli.jobs import Job, Kind, plan
from nic_core.cli.running import run_jobs
from nic_core.cli.work import Done, Say
from nic_core.pictures import image_files

from nic_textsketch.geometry import UNIT
from nic_textsketch.plugin import DRAWING
from nic_textsketch.sketches.annotators import ANNOTATORS, Settings, load_annotator

PHOTOGRAPHS = Kind(image_files.READABLE_SUFFIXES, "pictures", ".png", package=image_files.missing_package)


@click.command()
@click.argument("photographs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False), help="Folder of the edge maps.")
@click.option("--annotator", default="hed", show_default=True, type=click.Choice(list(ANNOTATORS)), help="Who draws.")
@click.option(
    "--weights", type=click.Path(exists=True, path_type=Path), help="The annotator's files [default: a download]."
)
@click.option("--size", default=512, show_default=True, type=click.IntRange(UNIT), help="Short side of the edge maps.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@with_options(DRAWING)
def sketches(
    photographs: tuple[Path, ...],
    output: str,
    annotator: str,
    weights: Path | None,
    size: int,
    device: str,
    **settings: Any,
) -> int:
    """Make edge maps of photographs, or maps of depth, normals, poses or classes.

    They are PNG files, both sides multiples of 64; gray, but normals, poses and classes are in colours.

    \b
    nic sketches photos/ -o edges/
    nic sketches photos/ -o edges/ --annotator pidinet --weights table5_pidinet.pth --size 256
    nic sketches photos/ -o edges/ --annotator canny --canny-low 50 --canny-high 150
    nic train textsketch-ntc --data edges/ --out runs/sketch

    Files that are there already are kept, so run it again after Ctrl-C; other settings need another folder.
    """
    if size % UNIT:
        raise click.UsageError(f"--size must be a multiple of {UNIT}, not {size}")
    todo = plan(photographs, f"{output.rstrip('/')}/", PHOTOGRAPHS, "skip")
    draw = load_annotator(annotator, size, weights, device, Settings(**settings)) if todo.jobs else None

    def work(job: Job, _: Say) -> Done:
        assert draw
        image_files.write(draw(image_files.read(job.source)), job.target)
        return Done(Path(job.target).stat().st_size, 0)

    return run_jobs(todo, work, annotator)
