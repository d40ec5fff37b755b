"""`nic encode`: pictures in, .nic files out."""

import sys
from dataclasses import replace
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
    TargetType,
    existing,
    together,
    with_engine,
    with_existing,
    with_files,
    with_parallel,
    with_shards,
)
from nic_core.cli.jobs import STREAM, Existing, Job, Kind, Shards, plan
from nic_core.cli.output import write
from nic_core.cli.system.completion import CodecName
from nic_core.cli.work import Done, Say, Work
from nic_core.format.container import UNLIMITED
from nic_core.host.runtimes import Runtime
from nic_core.host.tables import EncodeOptions
from nic_core.host.target import Target
from nic_core.pictures import image_files
from nic_core.pictures.picture import RowPicture

SUFFIX = ".nic"


def _check_name(path: PurePath) -> None:
    if path.suffix.lower() != SUFFIX:
        raise click.UsageError(f"-o {path} does not end in .nic; a folder that is not there yet is written {path}/")


PICTURES = Kind(
    image_files.READABLE_SUFFIXES, "pictures", SUFFIX, frozenset({SUFFIX}), image_files.missing_package, _check_name
)

with_rate = together(
    click.option("-q", "--quality", type=click.FloatRange(1, 100), help="1 to 100, higher is better and larger."),
    click.option("--target-bpp", type=TargetType("bpp"), help="Instead: the most bits per pixel of the whole file."),
    click.option("--target-size", type=TargetType("size"), help="Instead: the largest file; 40kB, 1.5MB, 64KiB."),
    click.option("--target-psnr", type=TargetType("psnr"), help="Instead: the least PSNR of the decoded picture."),
)


@click.command(
    cls=CodingCommand,
    when="encode",
    first=(
        *("output", "quality", "target_bpp", "target_size", "target_psnr", "codec"),
        *("overwrite", "skip_existing", "jobs", "workers", "help"),
    ),
)
@with_files
@with_rate
@click.option(
    "--codec",
    type=CodecName(),
    metavar="ID[@WEIGHTS][:KEY=VALUE,...]",
    help="Which codec [default: the one that 'nic codecs' marks].",
)
@with_existing
@with_parallel
@with_crew
@with_shards
@with_engine
@click.option(
    "--tile",
    type=click.IntRange(1),
    metavar="PIXELS",
    help="Code in tiles with sides of at most so many pixels, so that small regions decode fast "
    "[default: large pictures only, in the codec's own tiles].",
)
@with_dump(
    "Write into this folder, too, what the pictures are coded by, as nic decode --dump does, and what an encoder alone "
    "has: sketches before they are coded."
)
@click.option("--max-pixels", type=click.IntRange(1), help="Refuse larger pictures [default: 179 million].")
@click.option("--strip", is_flag=True, help="Leave out ICC profile, EXIF and XMP (orientation is applied first).")
def encode(
    inputs: tuple[PurePath, ...],
    output: str | None,
    quality: float | None,
    target_bpp: Target | None,
    target_size: Target | None,
    target_psnr: Target | None,
    codec: str | None,
    overwrite: bool,
    skip_existing: bool,
    jobs: int,
    crew: Crew,
    shards: Shards | None,
    weights: str | None,
    device: str,
    runtime: Runtime,
    tile: int | None,
    dump: PurePath | None,
    max_pixels: int | None,
    strip: bool,
    **options: Any,
) -> int:
    """Compress pictures (PNG, JPEG, WebP, TIFF, BMP and more; 8 or 16 bits, gray, RGB, with alpha) into .nic files.

    \b
    nic encode photo.jpg                      writes photo.nic beside it
    nic encode photo.jpg -o small.nic -q 20   smaller and worse
    nic encode a.jpg b.png holiday/ -o out/   files and folders
    nic encode holiday/ -o out/ --skip-existing   goes on where it was interrupted
    nic encode holiday/ -o out/ --workers 8   by eight processes; docs/scale.md: by many machines
    nic encode photo.jpg --target-size 40kB   the best file of at most 40 000 bytes
    nic encode photo.jpg --dump parts/        also what it is coded by, where that can be looked at
    nic encode - -o - < photo.png > out.nic   a pipe
    nic encode s3://bucket/in/ -o s3://bucket/out/   any URL of fsspec (pip install nic-core[fsspec])
    """
    targets = [target for target in (target_bpp, target_size, target_psnr) if target]
    if len(targets) + (quality is not None) > 1:
        raise click.UsageError("--quality, --target-bpp, --target-size and --target-psnr exclude one another")
    how, kind = existing(overwrite, skip_existing), replace(PICTURES, shards=shards or "")
    todo = plan(inputs, output, kind, how)
    given = {key: value for key, value in options.items() if value is not None}
    if dump and any(job.shard for job in todo.jobs):
        raise click.UsageError("--dump is for pictures, not for those in .tar files")
    rate = (quality, targets[0] if targets else None)
    make = partial(
        encoder, codec, weights, device, runtime, given, *rate, strip, tile, dump, todo.folder, max_pixels, kind, how
    )
    return crews.run(todo, make, "encode", jobs, crew, device)


def encoder(
    codec: str | None,
    weights: str | None,
    device: str,
    runtime: Runtime,
    options: dict[str, Any],
    quality: float | None,
    target: Target | None,
    strip: bool,
    tile: int | None,
    dump: PurePath | None,
    folder: PurePath,
    max_pixels: int | None,
    kind: Kind,
    how: Existing,
) -> Work:
    """Return what encodes a file; NicError where codec, weights or options do not fit.

    Parameters: the flags, and the folder that all outputs lie below.
    """
    name, chosen, settings = api.parse_codec(codec) if codec else (None, None, {})
    loaded = api.load(name, weights or chosen, device, runtime)
    encode_options = EncodeOptions(loaded.spec, {**settings, **options})

    def code(picture: RowPicture, source: PurePath, say: Say) -> tuple[bytes, Done]:
        own = encode_options.of(source)
        data = loaded.encode(
            picture,
            quality,
            target=target,
            on_trial=lambda number: say(f"trial {number}"),
            strip=strip,
            tile=tile,
            **own,
        )
        return data, Done(len(data), picture.width * picture.height)

    def member(data: bytes, shown: str, _: Say) -> tuple[bytes, Done]:
        return code(image_files.read_bytes(data, shown, max_pixels), PurePath(shown), lambda stage: None)

    def parts_of(data: bytes, source: PurePath) -> dict[str, bytes]:
        decoding = {option.key for option in loaded.spec.options if option.when == "decode"}
        own = {key: value for key, value in encode_options.of(source).items() if key in decoding}
        return loaded.parts(data, max_pixels=UNLIMITED, **own)

    def work(job: Job, say: Say) -> Done:
        if job.shard:
            return shard_jobs.recode(job, kind, member, say, how)
        replace = how == "replace" or job.again
        if dump is None:
            data, done = code(_read(job.source, max_pixels), job.source, say)
        else:
            with progress.keeping() as kept:
                data, done = code(_read(job.source, max_pixels), job.source, say)
            if parts := parts_of(data, job.source) | kept:
                dump_parts(parts, dump_stem(job.target, folder, dump), "replace" if replace else how)
            else:
                progress.note(nothing_to_dump(loaded.spec))
        write(job.target, data, replace)
        return done

    return work


def _read(source: PurePath, max_pixels: int | None) -> RowPicture:
    if source == STREAM:
        return image_files.read_bytes(sys.stdin.buffer.read(), max_pixels=max_pixels)
    return image_files.open_rows(source, max_pixels)
