"""`nic weights get`: what authors publish, downloaded, imported and stored in one command."""

import dataclasses
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import click

from nic_core import plugins
from nic_core.cli.flags import with_making
from nic_core.cli.installed.making import Label, check_name, free, import_checkpoint, importer_of, stored_as
from nic_core.cli.output import as_json, say, show, show_json, show_table
from nic_core.cli.system.completion import CodecName
from nic_core.errors import BadWeights, NicError
from nic_core.files.atomic import atomic_path, make_folder
from nic_core.spec import CheckpointSpec
from nic_core.weights.checkpoints import arrivals, sums
from nic_core.weights.checkpoints.arrivals import Arrived, Wanted


@click.command()
@click.argument("codec", type=CodecName(), required=False)
@click.option("--lambda", "lmbda", type=float, metavar="X", help="Only the checkpoint of this lambda of the authors'.")
@click.option("--name", help="Only what the list calls so.")
@click.option("--all", "everything", is_flag=True, help="All checkpoints of the codec.")
@click.option(
    "--to", type=click.Path(path_type=Path), metavar="DIR", help="Only download, into this folder; import nothing."
)
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
@click.option("--changed", is_flag=True, help="Take a file that is another than the one that came before.")
@click.option("--overwrite", is_flag=True, help="Replace weights of the same name in your store.")
@with_making
@as_json
def get(
    codec: str | None,
    lmbda: float | None,
    name: str | None,
    everything: bool,
    to: Path | None,
    yes: bool,
    changed: bool,
    overwrite: bool,
    as_json: bool,
    **making: Path | None,
) -> None:
    """Download checkpoints that a codec's authors publish, and make weights of them in your store.

    Without a codec: the list of what can be had. Their licence and size are shown before anything is downloaded. A
    download that was cut goes on where it stopped when the command is given again.

    \b
    nic weights get                          what there is
    nic weights get cca --lambda 0.3
    nic weights get cca --all                a ladder of qualities, then:
    nic encode photo.png --codec cca -q 60
    """
    if codec is None:
        if lmbda is not None or name or everything:
            raise click.UsageError("name a codec")
        _list(arrivals.known(), as_json)
        return
    plugins.codec_spec(codec)
    specs = _selected(codec, arrivals.known(codec), lmbda, name, everything, to is not None)
    todo = []
    for wanted in arrivals.wanted(specs, lmbda):
        if to is None and not overwrite and _is_here(wanted):
            say(f"{wanted.label} is in your store already")
        else:
            todo.append(wanted)
    if not todo:
        return
    _ask(todo, yes)
    for wanted in todo:
        try:
            for arrived in arrivals.arrive(wanted, lmbda, changed):
                if to is None:
                    _store(arrived, overwrite, making)
                else:
                    _copy(arrived, to)
                sums.remember(arrived.sums)
        except BadWeights:  # it would be bad the next time, too
            arrivals.forget(wanted)
            raise
        arrivals.forget(wanted)


def _list(specs: Sequence[CheckpointSpec], as_json: bool) -> None:
    if as_json:
        show_json([dataclasses.asdict(spec) for spec in specs])
        return
    if not specs:
        click.echo("no installed plugin knows of checkpoints to download")
        return
    rows = [
        (spec.codec, spec.name, _lambda(spec), _megabytes(spec.size), spec.licence, spec.page or spec.location)
        for spec in specs
    ]
    show_table(("codec", "name", "lambda", "size", "licence", "source"), rows)


def _selected(
    codec: str,
    known: list[CheckpointSpec],
    lmbda: float | None,
    name: str | None,
    everything: bool,
    only_download: bool,
) -> list[CheckpointSpec]:
    """Return the records that were asked for; NicError says what there is where that is none, or not clear."""
    if not known:
        raise NicError(f"no installed plugin knows of checkpoints of {codec} to download")
    if sum((lmbda is not None, name is not None, everything)) > 1:
        raise click.UsageError("--lambda, --name and --all exclude one another")
    there = ", ".join(f"{spec.name} (lambda {_lambda(spec)})" if spec.importable else spec.name for spec in known)
    if name is not None:
        found = [spec for spec in known if spec.name == name]
    else:
        found = [spec for spec in known if spec.importable and (lmbda is None or spec.lmbda in (None, lmbda))]
    if not found:
        asked = f"named {name}" if name is not None else f"of lambda {lmbda:g}"
        raise NicError(f"no checkpoint of {codec} {asked} is published: there are {there}")
    if not everything and len(found) > 1:
        raise NicError(f"{codec} has {len(found)} checkpoints, take one by --lambda or --name, or --all: {there}")
    if not only_download and (useless := [spec.name for spec in found if not spec.importable]):
        raise NicError(f"{useless[0]} holds no weights of {codec}: download it with --to DIR")
    return found


def _is_here(wanted: Wanted) -> bool:
    """Whether weights of the name that these will have are in the store."""
    spec = wanted.spec
    if spec.lmbda is None and spec.member and not wanted.files[0][0]:
        return False  # an archive of several, which are told only when it is here
    name = arrivals.name_of(spec, wanted.files[0][0])
    return stored_as(spec.codec, name).exists()


def _ask(todo: Sequence[Wanted], yes: bool) -> None:
    """Show what will be downloaded, and ask; NicError where nobody can answer, Abort for no."""
    rows = [
        (wanted.label, _lambda(wanted.spec), _megabytes(wanted.size), wanted.spec.licence, wanted.files[0][1])
        for wanted in todo
    ]
    show_table(("checkpoint", "lambda", "size", "licence", "from"), rows)
    for page in dict.fromkeys(wanted.spec.page for wanted in todo if wanted.spec.page):
        show(f"published at {page}")
    if yes:
        return
    if not sys.stdin.isatty():
        raise NicError("standard input is no terminal, to ask whether to download this: --yes does so")
    click.confirm("Download?", default=True, abort=True, err=True)


def _store(arrived: Arrived, overwrite: bool, making: dict[str, Path | None]) -> None:
    spec = arrived.spec
    label = Label(arrived.name, arrived.lmbda, spec.quality, spec.licence, arrived.source)
    if target := free(None, stored_as(spec.codec, label.name), "replace" if overwrite else "skip"):
        check_name(spec.codec, label.name, target)
        import_checkpoint(importer_of(spec.codec), arrived.path, target, label, making)


def _copy(arrived: Arrived, to: Path) -> None:
    """Put what was downloaded into a folder, with the files that belong to it."""
    to = to.joinpath(*map(arrivals.safe, PurePosixPath(arrived.member).parent.parts))
    make_folder(to)
    for path in sorted(arrived.path.parent.iterdir()):
        if path.is_file() and (path == arrived.path or arrived.spec.beside):
            with atomic_path(to / path.name) as part:
                shutil.copyfile(path, part)
            say(f"wrote {to / path.name}")


def _lambda(spec: CheckpointSpec) -> str:
    if not spec.importable:
        return ""
    return "by name" if spec.lmbda is None else f"{spec.lmbda:g}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size else "unknown"
