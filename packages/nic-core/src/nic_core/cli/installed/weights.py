"""`nic weights`: what is known, and how more comes in."""

import dataclasses
from contextlib import suppress
from pathlib import Path

import click

from nic_core import plugins
from nic_core import weights as store
from nic_core.cli.bars import working
from nic_core.cli.flags import existing, with_existing, with_making
from nic_core.cli.installed.get import get
from nic_core.cli.installed.making import Label, check_name, free, import_checkpoint, importer_of, run, stored_as, tell
from nic_core.cli.output import as_json, say, show_json, show_table
from nic_core.cli.settings import Suggesting
from nic_core.cli.system.completion import CodecName, WeightsName
from nic_core.errors import NicError, WeightsNotFound
from nic_core.spec import WeightsSpec, resolve
from nic_core.weights import WeightsInfo
from nic_core.weights.decoders import cut
from nic_core.weights.origin import lambda_in, stem_of
from nic_core.weights.preferred import RANK


@click.group(cls=Suggesting, invoke_without_command=True)
@as_json
@click.pass_context
def weights(ctx: click.Context, as_json: bool) -> None:
    """List, get, add, remove, import or export trained weights. Without a verb: the list.

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
            *(spec.codec, spec.name, _quality(spec), spec.decoder, spec.entropy_id, spec.synthesis_id),
            *(str(spec.rank), spec.licence, spec.location),
        )
        for spec in found
    ]
    show_table(("codec", "name", "quality", "decoder", "entropy", "synthesis", "rank", "licence", "where"), rows)


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
@click.option(
    "--lambda",
    "lmbda",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="The authors' lambda (of cca their beta), which gives the quality [default: what the checkpoint, its name or "
    "its folder's says].",
)
@click.option("--quality", type=float, metavar="Q", help="What -q shall find the weights by, 1 to 100.")
@click.option("--name", help="What the weights are called [default: the codec and its lambda, if something tells it].")
@with_making
@with_existing
def import_(
    codec: str,
    source: Path,
    output: Path | None,
    lmbda: float | None,
    quality: float | None,
    name: str | None,
    overwrite: bool,
    skip_existing: bool,
    **making: Path | None,
) -> None:
    """Turn a checkpoint of a codec's authors into a weights file.

    Several of one codec make a ladder of qualities, in the order of their rates, among which 'nic encode -q' chooses.
    'nic weights get' also downloads what authors publish.

    \b
    nic weights import cca 0.3/ckpttars/checkpoint_best.pth.tar           into your store, as cca-0.3
    nic weights import taco best.pth.tar --lambda 0.0016                  what no name tells
    nic weights import tbtc-swint-charm authors.ckpt -o w.safetensors
    nic encode photo.png --codec tbtc-swint-charm --weights w.safetensors
    """
    importer, how = importer_of(codec), existing(overwrite, skip_existing)
    if not source.exists():
        raise NicError(f"cannot read {source}: there is no such file")
    told = lambda_in(source.absolute()) if lmbda is None else lmbda
    label = Label(name or ("" if told is None else f"{codec}-{told:g}"), told, quality)
    default = stored_as(codec, label.name or stem_of(source))
    if target := free(output, default, how, "" if output else ", another --name keeps both"):
        check_name(codec, label.name, target)  # before the long work, not only after it
        import_checkpoint(importer, source, target, label, making)


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
    info, how = store.verified(file), existing(overwrite, skip_existing)
    default = store.store_folder() / info.codec / f"{file.stem}-integers.safetensors"
    if target := free(output, default, how):
        spec = plugins.codec_spec(info.codec)
        with plugins.blamed(spec, "upgrading weights"):
            run(resolve(spec.target).upgrade, (file, info, target), making, f"making {target.name}")
        tell(target)


@weights.command()
@click.argument("which", metavar="WEIGHTS", type=WeightsName())
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Decoder file to write.")
@click.option("--codec", type=CodecName(), help="Whose weights, where a name is not a single codec's.")
@with_existing
def decoder(which: str, output: Path, codec: str | None, overwrite: bool, skip_existing: bool) -> None:
    """Write the synthesis of weights alone: a small file, for all who have others with the same entropy model.

    WEIGHTS is a weights file, or a name from 'nic weights'. 'nic decode --decoder NAME' finds it once it is added.

    \b
    nic weights decoder runs/best/weights.safetensors -o best.safetensors
    nic weights add best.safetensors
    """
    _, path = _found(which, codec)
    if target := free(output, output, existing(overwrite, skip_existing)):
        info = cut(path, target)
        named = f"decoder {info.decoder!r}" if info.decoder else "a decoder without a name"
        say(f"wrote {target}, {named} of {info.codec} (entropy {info.entropy_id}, synthesis {info.synthesis_id})")


@weights.command()
@click.argument("which", metavar="WEIGHTS", type=WeightsName())
@click.option("--authors", "output", required=True, type=click.Path(path_type=Path), metavar="OUT", help="To write.")
@click.option("--codec", type=CodecName(), help="Whose weights, where a name is not a single codec's.")
@with_existing
def export(which: str, output: Path, codec: str | None, overwrite: bool, skip_existing: bool) -> None:
    """Write weights as the code of a codec's authors reads them: a checkpoint with their names and shapes.

    WEIGHTS is a weights file, or a name from 'nic weights'.

    \b
    nic weights export w.safetensors --authors checkpoint.pth.tar
    nic weights export cca-0.3 --authors checkpoint.pth.tar
    """
    info, path = _found(which, codec)
    importer = importer_of(info.codec)
    if not importer.exporter:
        raise NicError(f"{info.codec} has no exporter: its importer cannot write what it reads")
    if target := free(output, output, existing(overwrite, skip_existing)):
        with plugins.blamed(importer, "writing a checkpoint"), working(f"writing {target.name}"):
            resolve(importer.exporter)(info.codec, path, target)
        say(f"wrote {target}, a checkpoint for the code of {info.codec}'s authors")


def _found(which: str, codec: str | None) -> tuple[WeightsInfo, Path]:
    """Return the record and the file of weights; WeightsNotFound, also where a name is that of several codecs'."""
    if Path(which).is_file():
        return store.verified(Path(which)), Path(which)
    known = [spec for spec in store.available(codec) if spec.name == which and spec.location]
    if not known:
        raise WeightsNotFound(f"{which!r} is neither a weights file nor a name from 'nic weights'")
    if len(codecs := sorted({spec.codec for spec in known})) > 1:
        raise WeightsNotFound(f"{' and '.join(codecs)} have weights named {which}: say which with --codec")
    path = Path(store.local(known[0]).location)
    return store.verified(path), path


weights.add_command(get)
