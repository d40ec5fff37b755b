"""`nic decode`: .nic files in, pictures out."""

import io
from collections.abc import Callable
from functools import partial
from pathlib import PurePath
from typing import Any

import click

from nic_core import api, progress
from nic_core.cli import crew as crews
from nic_core.cli import shards as shard_jobs
from nic_core.cli.crew import Crew, with_crew
from nic_core.cli.dumping import dump_parts, dump_stem, nothing_to_dump, with_dump
from nic_core.cli.flags import (
    CodingCommand,
    RegionType,
    existing,
    with_engine,
    with_existing,
    with_files,
    with_parallel,
    with_shards,
)
from nic_core.cli.jobs import STREAM, Existing, Job, Kind, Shards, plan
from nic_core.cli.output import read, write
from nic_core.cli.work import Done, Say, Work
from nic_core.errors import BadPicture, DamagedFile
from nic_core.files.atomic import atomic_path, is_device
from nic_core.format import chunks
from nic_core.format.container import File, unpack
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
        "workers",
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
@with_crew
@with_shards
@with_engine
@with_dump(
    "Write into this folder, too, what the pictures are coded by, where that can be looked at: prompts, sketches."
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
    crew: Crew,
    shards: Shards | None,
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
    kind = Kind(
        frozenset({".nic"}),
        ".nic files",
        ending,
        image_files.SUFFIXES,
        check=image_files.format_of,
        shards=shards or "",
    )
    todo = plan(inputs, output, kind, how)
    given = {key: value for key, value in options.items() if value is not None}
    for job in todo.jobs:
        if not job.problem:
            format = format_of(job, ending)
            image_files.check_settings(format, quality, subsampling)
            if package := needed_package(format):
                raise BadPicture(f"{format} is written with a package that is not installed: pip install {package}")
            if job.shard and dump:
                raise click.UsageError(f"--dump is for .nic files, not for those in {job.source}")
    make = partial(
        decoder,
        ending,
        quality,
        subsampling,
        region,
        scale,
        weights,
        device,
        runtime,
        dump,
        todo.folder,
        salvage,
        max_pixels,
        max_seconds,
        given,
        kind,
        how,
    )
    return crews.run(todo, make, "decode", jobs, crew, device)


def format_of(job: Job, ending: str) -> str:
    """Return the format of the pictures that a job writes. ending: of names, where the target's does not say it."""
    nameless = job.shard or job.target == STREAM or is_device(job.target)
    return image_files.format_of(f"picture{ending}" if nameless else job.target)


def decoder(
    ending: str,
    quality: int | None,
    subsampling: str | None,
    region: Region | None,
    scale: str | None,
    weights: str | None,
    device: str,
    runtime: Runtime,
    dump: PurePath | None,
    folder: PurePath,
    salvage: bool,
    max_pixels: int | None,
    max_seconds: float | None,
    given: dict[str, Any],
    kind: Kind,
    how: Existing,
) -> Work:
    """Return what decodes a file. Parameters: the flags, and the folder that all outputs lie below."""
    limits: dict[str, Any] = {"max_pixels": max_pixels, "max_seconds": max_seconds}
    loaded: dict[str, api.Codec] = {}

    def opened(file: File) -> api.Codec:
        return loaded.setdefault(file.header.codec, api.load(file.header.codec, weights, device, runtime))

    def code(data: bytes, file: File, format: str, save: Callable[[RowPicture], None]) -> Done:
        image_files.check_alpha(format, chunks.ALPHA in file.chunks)
        lost: list[str] = []

        def on_damage(tile: Area, error: DamagedFile) -> None:
            lost.append(f"the tile of {tile} is gray: {error}")

        codec = opened(file)
        picture = codec.decode_rows(
            data, region=region, scale=scale or 1, on_damage=on_damage if salvage else None, **limits, **given
        )
        save(picture)
        for loss in lost:
            progress.note(loss)
        return Done(len(data), file.header.width * file.header.height, bool(lost))

    def member(data: bytes, shown: str, _: Say) -> tuple[bytes, Done]:
        format, made = image_files.format_of(f"picture{ending}"), io.BytesIO()
        done = code(
            data,
            unpack(data, max_pixels, salvage),
            format,
            lambda picture: image_files.save(picture, made, format, quality, subsampling),
        )
        return made.getvalue(), done

    def work(job: Job, say: Say) -> Done:
        if job.shard:
            return shard_jobs.recode(job, kind, member, say, how)
        data = read(job.source)
        file, format, replace = unpack(data, max_pixels, salvage), format_of(job, ending), how == "replace" or job.again
        image_files.check_alpha(format, chunks.ALPHA in file.chunks)
        if dump:
            codec = opened(file)
            parts = codec.parts(data, **limits, **given)
            if parts:
                dump_parts(parts, dump_stem(job.target, folder, dump), "replace" if replace else how)
            else:
                progress.note(nothing_to_dump(codec.spec))
        return code(
            data, file, format, lambda picture: _save(picture, job.target, format, quality, subsampling, replace)
        )

    return work


def _save(
    picture: RowPicture, target: PurePath, format: str, quality: int | None, subsampling: str | None, replace: bool
) -> None:
    """Write a picture as a file of a format, some rows at a time where the format and the target allow it."""
    if target == STREAM or is_device(target):
        write(target, image_files.encode(picture, format, quality, subsampling), replace)
        return
    with atomic_path(target, replace) as part, open(part, "xb") as file:
        image_files.save(picture, file, format, quality, subsampling)
