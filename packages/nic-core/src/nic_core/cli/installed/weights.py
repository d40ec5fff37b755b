"""`nic weights`: what is known, and how more comes in."""

import dataclasses
import inspect
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from nic_core import plugins
from nic_core import weights as store
from nic_core.cli.bars import working
from nic_core.cli.flags import existing, with_existing, with_making
from nic_core.cli.output import as_json, say, show_json, show_table
from nic_core.cli.settings import Suggesting
from nic_core.cli.system.completion import CodecName, WeightsName
from nic_core.errors import BadOption, NicError
from nic_core.files.atomic import check_writable, make_folder
from nic_core.spec import WeightsSpec, resolve
from nic_core.weights.preferred import RANK


@click.group(cls=Suggesting, invoke_without_command=True)
@as_json
@click.pass_context
def weights(ctx: click.Context, as_json: bool) -> None:
    """List, add, remove or import trained weights. Without a verb: the list.

    Weights come with a plugin, or lie in a folder of yours (NIC_WEIGHTS, by default the platform's data folder).
    """
    if ctx.invoked_subcommand is None:
        show(as_json)


def show(as_json: bool) -> None:
    """Print the known weights."""
    found = [spec for spec in store.available() if spec.location]
    if as_json:
        show_json([dataclasses.asdict(spec) for spec in found])
        return
    if not found:
        click.echo(f"no weights are installed; plugins bring some, others go to {store.store_folder()}")
        return
    rows = [
        (
            *(spec.codec, spec.name, _quality(spec), spec.entropy_id, spec.synthesis_id),
            *(str(spec.rank), spec.licence, spec.location),
        )
        for spec in found
    ]
    show_table(("codec", "name", "quality", "entropy", "synthesis", "rank", "licence", "where"), rows)


def _quality(spec: WeightsSpec) -> str:
    if isinstance(spec.quality, tuple):
        return "{:g} to {:g}".format(*spec.quality)
    return "" if spec.quality is None else f"{spec.quality:g}"


@weights.command()
@click.argument("file", type=WeightsName(), metavar="FILE")
def add(file: str) -> None:
    """Copy a weights file into your store, so that files made with it decode without --weights.

    \b
    nic weights add w.safetensors
    nic weights add https://example.org/w.safetensors     also hf://owner/repository/w.safetensors
    nic weights add s3://bucket/w.safetensors             any URL of fsspec (pip install nic-core[fsspec])
    """
    spec = store.add(file)
    say(f"added {spec.codec} {spec.name} (entropy {spec.entropy_id}, synthesis {spec.synthesis_id})")
    if spec.sha256:
        say(f"fetched from {store.shown(file)}, SHA-256 {spec.sha256}")
    if spec.rank > 0 and store.available()[0].location == spec.location and _by_rank():
        say(f"their rank, {spec.rank}, is the highest: from now on they are what 'nic encode' takes by default")


def _by_rank() -> bool:
    """Return whether the default codec is found by rank."""
    with suppress(NicError):
        return store.default().by == RANK
    return False


@weights.command()
@click.argument("codec", type=CodecName())
@click.argument("name", type=WeightsName())
def remove(codec: str, name: str) -> None:
    """Delete weights from your store, by codec and name."""
    for spec in store.stored():
        if (spec.codec, spec.name) == (codec, name):
            store.remove(spec)
            say(f"removed {spec.location}")
            return
    raise NicError(f"no weights of {codec} named {name} are in {store.store_folder()}")


@weights.command(name="import")
@click.argument("codec", type=CodecName())
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Weights file to write; default: into your store."
)
@with_making
@with_existing
def import_(
    codec: str, source: Path, output: Path | None, overwrite: bool, skip_existing: bool, **making: Path | None
) -> None:
    """Turn a checkpoint of a codec's authors into a weights file.

    \b
    nic weights import tbtc-swint-charm authors.ckpt -o w.safetensors
    nic encode photo.png --codec tbtc-swint-charm --weights w.safetensors
    """
    plugins.codec_spec(codec)
    importers = [spec for _, spec in plugins.records("nic_importers") if spec.codec == codec]
    if not importers:
        raise NicError(f"{codec} has no importer of other checkpoints")
    if not source.exists():
        raise NicError(f"cannot read {source}: there is no such file")
    if target := _free(output, store.store_folder() / codec / f"{source.stem}.safetensors", overwrite, skip_existing):
        with plugins.blamed(importers[0], "reading a checkpoint"):
            _make(resolve(importers[0].target), (codec, source, target), making)


@weights.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Weights file to write; default: into your store."
)
@with_making
@with_existing
def upgrade(file: Path, output: Path | None, overwrite: bool, skip_existing: bool, **making: Path | None) -> None:
    """Turn weights whose entropy model is in floating point into ones whose is in integers.

    Files coded with integers decode alike on every machine. What was coded with the old weights still needs them: the
    new ones have another fingerprint.

    \b
    nic weights upgrade old.safetensors -o new.safetensors
    """
    info = store.verified(file)
    name = f"{file.stem}-integers.safetensors"
    if target := _free(output, store.store_folder() / info.codec / name, overwrite, skip_existing):
        spec = plugins.codec_spec(info.codec)
        with plugins.blamed(spec, "upgrading weights"):
            _make(resolve(spec.target).upgrade, (file, info, target), making)


def _free(output: Path | None, default: Path, overwrite: bool, skip_existing: bool) -> Path | None:
    """Return the file to write, None where it is there and stays; NicError where it is in the way."""
    target, how = output or default, existing(overwrite, skip_existing)
    if target.exists() and how == "skip":
        say(f"{target} is there already")
        return None
    if target.exists() and how == "refuse":
        raise NicError(f"{target} is there already; --overwrite replaces it")
    if output is None:
        make_folder(target.parent)
    check_writable(target)
    return target


def _make(maker: Callable[..., Any], arguments: tuple[Any, ...], making: dict[str, Path | None]) -> None:
    """Have a codec write a weights file, the last argument, and say what it is."""
    given = {name: path for name, path in making.items() if path is not None}
    try:
        inspect.signature(maker).bind(*arguments, **given)
    except TypeError:
        if not given:
            raise
        flag = next(iter(given)).replace("_", "-")
        raise BadOption(f"this codec has no integers to make, so it takes no --{flag}") from None
    target = arguments[-1]
    with working(f"making {target.name}"):
        maker(*arguments, **given)
    info = store.verified(target)
    say(f"wrote {target} ({info.codec}, entropy {info.entropy_id}, synthesis {info.synthesis_id})")
    if info.integers:
        say(f"its integers: {info.integers}")
