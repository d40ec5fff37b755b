"""`nic encode`: pictures in, .nic files out."""

import sys
from pathlib import PurePath
from typing import Any

import click

from nic_core import api
from nic_core.cli.flags import (
    CodingCommand,
    TargetType,
    existing,
    together,
    with_engine,
    with_existing,
    with_files,
    with_parallel,
)
from nic_core.cli.jobs import STREAM, Job, Kind, plan
from nic_core.cli.output import write
from nic_core.cli.running import Done, Say, run_jobs
from nic_core.cli.system.completion import CodecName
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
        *("overwrite", "skip_existing", "jobs", "help"),
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
@with_engine
@click.option(
    "--tile",
    type=click.IntRange(1),
    metavar="PIXELS",
    help="Code in tiles with sides of at most so many pixels, so that small regions decode fast "
    "[default: large pictures only, in the codec's own tiles].",
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
    weights: str | None,
    device: str,
    runtime: Runtime,
    tile: int | None,
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
    nic encode photo.jpg --target-size 40kB   the best file of at most 40 000 bytes
    nic encode - -o - < photo.png > out.nic   a pipe
    nic encode s3://bucket/in/ -o s3://bucket/out/   any URL of fsspec (pip install nic-core[fsspec])
    """
    targets = [target for target in (target_bpp, target_size, target_psnr) if target]
    if len(targets) + (quality is not None) > 1:
        raise click.UsageError("--quality, --target-bpp, --target-size and --target-psnr exclude one another")
    todo = plan(inputs, output, PICTURES, existing(overwrite, skip_existing))
    name, chosen, settings = api.parse_codec(codec) if codec else (None, None, {})
    loaded = api.load(name, weights or chosen, device, runtime)
    given = {**settings, **{key: value for key, value in options.items() if value is not None}}
    encode_options = EncodeOptions(loaded.spec, given)

    def work(job: Job, say: Say) -> Done:
        own = encode_options.of(job.source)
        picture = _read(job.source, max_pixels)
        data = loaded.encode(
            picture,
            quality,
            target=targets[0] if targets else None,
            on_trial=lambda number: say(f"trial {number}"),
            strip=strip,
            tile=tile,
            **own,
        )
        write(job.target, data, overwrite)
        return Done(len(data), picture.width * picture.height)

    return run_jobs(todo, work, "encode", jobs)


def _read(source: PurePath, max_pixels: int | None) -> RowPicture:
    if source == STREAM:
        return image_files.read_bytes(sys.stdin.buffer.read(), max_pixels=max_pixels)
    return image_files.open_rows(source, max_pixels)
