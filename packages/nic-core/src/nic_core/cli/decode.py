"""`nic decode`: .nic files in, pictures out."""

import os
from pathlib import Path, PurePath
from typing import Any

import click

from nic_core import api, progress
from nic_core.cli.flags import (
    CodingCommand,
    RegionType,
    existing,
    with_engine,
    with_existing,
    with_files,
    with_parallel,
)
from nic_core.cli.jobs import STREAM, Existing, Job, Kind, PlaceType, Plan, plan
from nic_core.cli.output import read, write
from nic_core.cli.running import Done, Say, run_jobs
from nic_core.errors import BadPicture, DamagedFile
from nic_core.files.atomic import atomic_path, check_writable, is_device, make_folder
from nic_core.files.places import exists
from nic_core.format import chunks
from nic_core.format.container import unpack
from nic_core.format.tiling import Area, Region
from nic_core.host.runtimes import Runtime
from nic_core.pictures import image_files
from nic_core.pictures.formats import needed_package
from nic_core.pictures.picture import RowPicture
from nic_core.pictures.scaling import SCALES

FORMATS = ", ".join(sorted(suffix[1:] for suffix in image_files.SUFFIXES))


def _listed(formats: frozenset[str]) -> str:
    return ", ".join(sorted(formats))


@click.command(
    cls=CodingCommand,
    when="decode",
    first=(
        "output",
        "suffix",
        "quality",
        "subsampling",
        "region",
        "scale",
        "overwrite",
        "skip_existing",
        "jobs",
        "help",
    ),
)
@with_files
@click.option(
    "--format",
    "suffix",
    metavar="ENDING",
    help=f"Where the output's name has none: {FORMATS}. [default: png]",
)
@click.option(
    "-q",
    "--quality",
    type=click.IntRange(0, 100),
    help=f"Of the picture's own compression, for {_listed(image_files.LOSSY)}. "
    "[default: 95 for JPEG, 90 for AVIF, else lossless]",
)
@click.option(
    "--subsampling",
    type=click.Choice(image_files.SUBSAMPLINGS),
    help=f"Of the picture's colours, for {_listed(image_files.SUBSAMPLED)}. [default: 4:2:0 for JPEG, 4:4:4 for AVIF]",
)
@click.option("--region", type=RegionType(), help="Only a part of the picture, in pixels from its top left.")
@click.option("--scale", type=click.Choice(list(SCALES)), help="A smaller picture, or region; for previews.")
@with_existing
@with_parallel
@with_engine
@click.option(
    "--dump",
    type=PlaceType(),
    help="Write into this folder, too, what the pictures are coded by, where that can be looked at: prompts, sketches.",
)
@click.option(
    "--salvage",
    is_flag=True,
    help="Of damaged files in tiles, decode the tiles that are sound; others become gray, and the exit code is 1.",
)
@click.option("--max-pixels", type=int, help="Refuse larger pictures [default: 250 million, or NIC_MAX_PIXELS].")
@click.option(
    "--max-seconds",
    type=float,
    help="Give up on a picture after so long, start-up aside [default: never, or NIC_MAX_SECONDS].",
)
def decode(
    inputs: tuple[PurePath, ...],
    output: str | None,
    suffix: str | None,
    quality: int | None,
    subsampling: str | None,
    region: Region | None,
    scale: str | None,
    overwrite: bool,
    skip_existing: bool,
    jobs: int,
    weights: str | None,
    device: str,
    runtime: Runtime,
    dump: PurePath | None,
    salvage: bool,
    max_pixels: int | None,
    max_seconds: float | None,
    **options: Any,
) -> int:
    """Turn .nic files back into pictures. Codec and weights are found from each file's header.

    \b
    nic decode photo.nic                  writes photo.png beside it
    nic decode photo.nic -o photo.webp    lossless WebP; .tif, .bmp and .jpg work too
    nic decode photo.nic -o photo.jpg -q 85 --subsampling 4:4:4
    nic decode out/ -o pictures/          all .nic files of a folder
    nic decode large.nic --region 4000,3000,640,480 -o part.png
    nic decode large.nic --scale 1/8 -o preview.jpg
    nic decode photo.nic --dump parts/    also the prompt that it is coded by, if it is
    """
    ending = f".{(suffix or 'png').lstrip('.').lower()}"
    if ending not in image_files.SUFFIXES:
        raise click.UsageError(f"--format {suffix}: choose one of {FORMATS}")
    how = existing(overwrite, skip_existing)
    kind = Kind(frozenset({".nic"}), ".nic files", ending, image_files.SUFFIXES, check=image_files.format_of)
    todo = plan(inputs, output, kind, how)
    given = {key: value for key, value in options.items() if value is not None}
    limits: dict[str, Any] = {"max_pixels": max_pixels, "max_seconds": max_seconds}
    loaded: dict[str, api.Codec] = {}

    def format_of(job: Job) -> str:
        nameless = job.target == STREAM or is_device(job.target)
        return image_files.format_of(f"picture{ending}" if nameless else job.target)

    for job in todo.jobs:
        if not job.problem:
            image_files.check_settings(format_of(job), quality, subsampling)
            if package := needed_package(format_of(job)):
                raise BadPicture(
                    f"{format_of(job)} is written with a package that is not installed: pip install {package}"
                )

    def work(job: Job, _: Say) -> Done:
        data = read(job.source)
        file = unpack(data, max_pixels, salvage)
        image_files.check_alpha(format_of(job), chunks.ALPHA in file.chunks)
        codec = loaded.setdefault(file.header.codec, api.load(file.header.codec, weights, device, runtime))
        if dump:
            parts = codec.parts(data, **limits, **given)
            if parts:
                _dump(parts, _dump_stem(job.target, todo, dump), how)
            else:
                progress.note(f"nothing to dump: {codec.spec.id} codes a picture by nothing that can be looked at")
        lost: list[str] = []

        def on_damage(tile: Area, error: DamagedFile) -> None:
            lost.append(f"the tile of {tile} is gray: {error}")

        picture = codec.decode_rows(
            data, region=region, scale=scale or 1, on_damage=on_damage if salvage else None, **limits, **given
        )
        _save(picture, job.target, format_of(job), quality, subsampling, overwrite)
        for loss in lost:
            progress.note(loss)
        return Done(len(data), file.header.width * file.header.height, bool(lost))

    return run_jobs(todo, work, "decode", jobs)


def _save(
    picture: RowPicture, target: PurePath, format: str, quality: int | None, subsampling: str | None, replace: bool
) -> None:
    """Write a picture as a file of a format, some rows at a time where the format and the target allow it."""
    if target == STREAM or is_device(target):
        write(target, image_files.encode(picture, format, quality, subsampling), replace)
        return
    with atomic_path(target, replace) as part, open(part, "xb") as file:
        image_files.save(picture, file, format, quality, subsampling)


def _dump(parts: dict[str, bytes], stem: PurePath, how: Existing) -> None:
    """Write the parts of a file, named by a path to which they add their suffixes."""
    make_folder(stem.parent)
    for suffix, content in parts.items():
        path = stem.with_name(f"{stem.name}{suffix}")
        if how != "skip" or not exists(path):
            check_writable(path)
            write(path, content, how == "replace")


def _dump_stem(target: PurePath, todo: Plan, folder: PurePath) -> PurePath:
    """Return the path that the parts behind a target are named by: as the targets lie, below a folder."""
    if target == STREAM:
        return folder / "picture"
    return folder / Path(os.path.abspath(target)).relative_to(todo.folder).with_suffix("")
