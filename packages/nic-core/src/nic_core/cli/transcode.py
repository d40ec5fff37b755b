"""`nic encode` and `nic decode`: files and folders in, files and folders out."""

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from nic_core import api, progress
from nic_core.cli import message
from nic_core.errors import BadOption, NicError
from nic_core.files.atomic import atomic_write, make_folder
from nic_core.format.container import unpack
from nic_core.host.tables import EncodeOptions
from nic_core.host.target import UNITS, Target
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_core.plugins import list_codecs
from nic_core.spec import Option

logger = logging.getLogger("nic")

STREAM = Path("-")

Say = Callable[[str], None]
"""Shows beside the progress bar what is being done."""


@dataclass(frozen=True)
class Job:
    """One input and where its output goes; `STREAM` stands for standard input and output.

    make_folder: whether the target's folder is made where it is missing.
    """

    source: Path
    target: Path
    make_folder: bool = False


@dataclass(frozen=True)
class Done:
    """What one finished job counts: bytes of the .nic file and pixels."""

    size: int
    pixels: int


class TargetType(click.ParamType):
    """A positive number of a target's unit, which becomes a `Target`; sizes may have a suffix."""

    def __init__(self, kind: Literal["bpp", "size", "psnr"]) -> None:
        self.kind = kind
        self.name = UNITS[kind]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        """Return the target, or fail with what is wrong about the value."""
        try:
            return value if isinstance(value, Target) else Target.parse(self.kind, value)
        except BadOption as error:
            self.fail(str(error), param, ctx)


def option_flags(when: Literal["encode", "decode"]) -> Callable[[Any], Any]:
    """Add a flag for every option of every installed codec, and its table; the codec itself checks the values."""
    found: dict[str, dict[Option, list[str]]] = {}
    for spec in list_codecs():
        for option in spec.options:
            for name in filter(None, (option.name, option.table)):
                if option.when == when:
                    found.setdefault(name, {}).setdefault(option, []).append(spec.id)

    def decorate(command: Any) -> Any:
        for name, options in sorted(found.items(), reverse=True):
            command = _flag(name, options)(command)
        return command

    return decorate


def _flag(name: str, options: dict[Option, list[str]]) -> Callable[[Any], Any]:
    """Return the flag that stands for options of one name, or their tables, each with its help and its codecs."""
    first = next(iter(options))
    if name == first.table:
        coco = " COCO's captions JSON works too." if first.type is str else ""
        text = f"Instead, for each picture its own: a JSON file {{picture's file name: {first.name}}}.{coco}"
        codecs = ", ".join(codec for ids in options.values() for codec in ids)
        return click.option(f"--{name}", first.table_key, help=f"{text} [{codecs}]", metavar="FILE.json")
    flag = f"--{name}/--no-{name}" if first.type is bool else f"--{name}"
    metavar = None if first.type is bool else first.type.__name__.upper()
    text = " ".join(_help(option, ", ".join(codecs)) for option, codecs in options.items())
    return click.option(flag, first.key, default=None, help=text, metavar=metavar)


def _help(option: Option, codecs: str) -> str:
    allowed = f" {option.range};" if option.range else ""
    default = "" if option.default in (None, "") else f" default {option.default};"
    return f"{option.help} [{codecs};{allowed}{default}".removesuffix(";") + "]"


common = (
    click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path)),
    click.option(
        "-o",
        "--output",
        type=click.Path(),
        help="A file for one input, a folder for several, - for standard output. Default: beside each input.",
    ),
    click.option("--weights", metavar="WEIGHTS", help="A weights file, URL, or a name from 'nic weights'."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps."),
)


def with_common(command: Any) -> Any:
    """Add the arguments that both verbs take."""
    for decorator in reversed(common):
        command = decorator(command)
    return command


@click.command()
@with_common
@click.option("-q", "--quality", type=click.FloatRange(1, 100), help="1 to 100, higher is better and larger.")
@click.option("--target-bpp", type=TargetType("bpp"), help="Instead: the most bits per pixel of the whole file.")
@click.option("--target-size", type=TargetType("size"), help="Instead: the largest file; 40k, 1.5M, 64Ki, 1Mi.")
@click.option("--target-psnr", type=TargetType("psnr"), help="Instead: the least PSNR of the decoded picture.")
@click.option("--codec", metavar="ID[@WEIGHTS][:KEY=VALUE,...]", help="Which codec; default: see 'nic codecs'.")
@click.option("--strip", is_flag=True, help="Leave out ICC profile, EXIF and XMP (orientation is applied first).")
@option_flags("encode")
def encode(
    inputs: tuple[Path, ...],
    output: str | None,
    weights: str | None,
    device: str,
    quality: float | None,
    target_bpp: Target | None,
    target_size: Target | None,
    target_psnr: Target | None,
    codec: str | None,
    strip: bool,
    **options: Any,
) -> int:
    """Compress pictures (PNG, JPEG, WebP, TIFF, BMP; 8 or 16 bits, gray, RGB, with alpha) into .nic files.

    \b
    nic encode photo.jpg                      writes photo.nic beside it
    nic encode photo.jpg -o small.nic -q 20   smaller and worse
    nic encode a.jpg b.png holiday/ -o out/   files and folders
    nic encode photo.jpg --target-size 40k    the best file of at most 40 000 bytes
    nic encode - -o - < photo.png > out.nic   a pipe
    """
    targets = [target for target in (target_bpp, target_size, target_psnr) if target]
    if len(targets) + (quality is not None) > 1:
        raise click.UsageError("--quality, --target-bpp, --target-size and --target-psnr exclude one another")
    name, chosen, settings = api.parse_codec(codec) if codec else (None, None, {})
    loaded = api.load(name, weights or chosen, device)
    given = {**settings, **{key: value for key, value in options.items() if value is not None}}
    encode_options = EncodeOptions(loaded.spec, given)

    def work(job: Job, say: Say) -> Done:
        own = encode_options.of(job.source)
        picture = _read_picture(job.source)
        data = loaded.encode(
            picture,
            quality,
            target=targets[0] if targets else None,
            on_trial=lambda number: say(f"trial {number}"),
            strip=strip,
            **own,
        )
        _write(job.target, data)
        return Done(len(data), picture.width * picture.height)

    return run_jobs(plan(inputs, output, image_files.READABLE_SUFFIXES, ".nic"), work, "encode")


@click.command()
@with_common
@click.option("--format", "suffix", default="png", show_default=True, help="Format where the output's name says none.")
@click.option(
    "--dump",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write into this folder, too, what the pictures are coded by, where that can be looked at: prompts, sketches.",
)
@click.option("--max-pixels", type=int, help="Refuse larger pictures [default: 250 million, or NIC_MAX_PIXELS].")
@option_flags("decode")
def decode(
    inputs: tuple[Path, ...],
    output: str | None,
    weights: str | None,
    device: str,
    suffix: str,
    dump: Path | None,
    max_pixels: int | None,
    **options: Any,
) -> int:
    """Turn .nic files back into pictures. Codec and weights are found from each file's header.

    \b
    nic decode photo.nic                  writes photo.png beside it
    nic decode photo.nic -o photo.webp    lossless WebP; .tif, .bmp and .jpg work too
    nic decode out/ -o pictures/          all .nic files of a folder
    nic decode photo.nic --dump parts/    also the prompt that it is coded by, if it is
    """
    given = {key: value for key, value in options.items() if value is not None}
    loaded: dict[str, api.Codec] = {}

    def work(job: Job, _: Say) -> Done:
        data = sys.stdin.buffer.read() if job.source == STREAM else _read_bytes(job.source)
        if job.target != STREAM:
            image_files.format_of(job.target)  # before the work
        header = unpack(data, max_pixels).header
        if header.codec not in loaded:
            loaded[header.codec] = api.load(header.codec, weights, device)
        if dump:
            parts = loaded[header.codec].parts(data, max_pixels=max_pixels, **given)
            if parts:
                _dump(parts, stems[job.target])
            else:
                progress.note(f"nothing to dump: {header.codec} codes a picture by nothing that can be looked at")
        picture = loaded[header.codec].decode_picture(data, max_pixels=max_pixels, **given)
        if job.target == STREAM:
            _write(STREAM, image_files.encode(picture, suffix))
        else:
            image_files.write(picture, job.target)
        return Done(len(data), header.width * header.height)

    jobs = plan(inputs, output, {".nic"}, f".{suffix.lstrip('.')}")
    stems = _dump_stems(jobs, dump) if dump else {}
    return run_jobs(jobs, work, "decode")


def plan(inputs: Iterable[Path], output: str | None, suffixes: Iterable[str], new_suffix: str) -> list[Job]:
    """Return the jobs for files and folders; UsageError where outputs would collide or replace something unasked.

    output: a file for one input, a folder for several, or for one if it exists or ends in a slash.
    """
    place = None if output is None else Path(output)
    sources: list[tuple[Path, Path]] = []  # (file, its path below an output folder)
    for path in inputs:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.suffix.lower() in suffixes and file.is_file())
            if not found:
                raise NicError(f"no {' '.join(sorted(suffixes))} files below {path}")
            sources += [(file, file.relative_to(path)) for file in found]
        else:
            sources.append((path, Path(path.name)))
    several = len(sources) > 1 or any(path.is_dir() for path in inputs)
    if several and place == STREAM:
        raise click.UsageError("several inputs cannot go to standard output; give a folder with -o")
    slash = output is not None and output.endswith((os.sep, os.altsep or os.sep))
    into_folder = place is not None and place != STREAM and (several or slash or place.is_dir())
    if into_folder and place is not None and place.exists() and not place.is_dir():
        raise click.UsageError(f"-o {output} is a file; several inputs need a folder")

    jobs = []
    for source, relative in sources:
        if place is None:
            target = STREAM if source == STREAM else source.with_suffix(new_suffix)
            if target.exists() and target != STREAM:
                raise click.UsageError(f"{target} exists; say with -o where to write")
        else:
            target = place / relative.with_suffix(new_suffix) if into_folder else place
        if target != STREAM and target.resolve() == source.resolve():
            raise click.UsageError(f"{source} would be replaced by its own output; say with -o where to write")
        jobs.append(Job(source, target, into_folder))
    target, count = Counter(job.target for job in jobs).most_common(1)[0]
    if count > 1:
        raise click.UsageError(f"{count} inputs would be written to {target}; give them separately")
    return jobs


def run_jobs(jobs: list[Job], work: Callable[[Job, Say], Done], verb: str) -> int:
    """Do the jobs one after another; a failed one is named and the rest still done. Returns the exit code.

    work: does one job, and may say how far it is.
    """
    start, done, failed = time.perf_counter(), [], 0
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(verb, total=len(jobs))
        for job in jobs:
            name = f"{verb} {job.source.name}"
            bars.update(task, description=name)
            try:
                if job.make_folder:
                    make_folder(job.target.parent)
                with _shown(bars, job):
                    done.append(work(job, partial(_describe, bars, task, name)))
            except Exception as error:  # a codec may raise anything; the other files are still done
                if isinstance(error, NicError) and str(job.source) not in str(error) and job.source != STREAM:
                    error.args = (f"{job.source}: {error}",)
                if len(jobs) == 1:
                    raise
                failed += 1
                logger.debug("%s", job.source, exc_info=True)
                console.print(f"nic: {message(error)}", markup=False, highlight=False, soft_wrap=True)
            bars.advance(task)
    size, pixels = sum(item.size for item in done), sum(item.pixels for item in done)
    summary = f"{len(done)} {'file' if len(done) == 1 else 'files'}, {size} bytes"
    if pixels:
        summary += f", {8 * size / pixels:.3f} bpp"
    summary += f", {time.perf_counter() - start:.1f} s"
    if failed:
        summary += f"; {failed} failed"
    click.echo(summary, err=any(job.target == STREAM for job in jobs))
    return 1 if failed else 0


def _describe(bars: Progress, task: TaskID, name: str, stage: str) -> None:
    bars.update(task, description=f"{name}, {stage}")


@contextmanager
def _shown(bars: Progress, job: Job) -> Iterator[None]:
    """Show what a codec says while it works on a job: a bar for each long piece of work, and notes as lines."""
    tasks: dict[str, TaskID] = {}

    def step(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(f"  {what}", total=total or None, completed=done)
        bars.update(tasks[what], completed=done, total=total or None, visible=done < total or not total)

    def note(fact: str) -> None:
        name = "" if job.source == STREAM else f"{job.source.name}: "
        bars.console.print(f"{name}{fact}", markup=False, highlight=False, soft_wrap=True)

    try:
        with progress.listening(progress.Listener(step, note)):
            yield
    finally:
        for task in tasks.values():
            bars.remove_task(task)


def _dump(parts: dict[str, bytes], stem: Path) -> None:
    """Write the parts of a file, named by a path to which they add their suffixes."""
    make_folder(stem.parent)
    for suffix, content in parts.items():
        atomic_write(stem.with_name(f"{stem.name}{suffix}"), content)


def _dump_stems(jobs: list[Job], folder: Path) -> dict[Path, Path]:
    """Return for each target the path that its parts are named by: as the targets lie, below a folder."""
    places = {job.target: Path("picture" if job.target == STREAM else job.target).absolute() for job in jobs}
    together = os.path.commonpath([place.parent for place in places.values()])
    return {target: folder / place.relative_to(together).with_suffix("") for target, place in places.items()}


def _read_picture(source: Path) -> Picture:
    return image_files.read_bytes(sys.stdin.buffer.read()) if source == STREAM else image_files.read(source)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NicError(f"cannot read {path}: {error.strerror}") from error


def _write(target: Path, data: bytes) -> None:
    if target == STREAM:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        atomic_write(target, data)
