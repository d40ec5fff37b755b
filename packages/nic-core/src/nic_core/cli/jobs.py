"""Which files are made of which: inputs found, outputs named, and nothing replaced unasked."""

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Literal

import click
from click.shell_completion import CompletionItem

from nic_core.cli.output import refuse_terminals
from nic_core.errors import NicError
from nic_core.files.atomic import is_device
from nic_core.files.places import exists, is_folder, is_url, place_of, walk
from nic_core.files.shards import SUFFIX as SHARD
from nic_core.files.shards import is_shard

STREAM = Path("-")
"""Standard input, or standard output."""

Existing = Literal["refuse", "replace", "skip"]
"""What becomes of outputs that are there already."""

Shards = Literal["", "tar", "folder"]
"""What is made of a .tar file: a .tar file, or a folder; empty for what is none."""


class PlaceType(click.ParamType):
    """A path, or a URL that fsspec is asked for."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> PurePath:
        """Return the place that a text names."""
        return value if isinstance(value, PurePath) else place_of(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Let the shell complete files."""
        return [CompletionItem(incomplete, type="file")]


def _no_package(suffix: str) -> str | None:  # a function with a name can be pickled
    return None


def _any_name(path: PurePath) -> None:
    pass


@dataclass(frozen=True)
class Kind:
    """What a verb reads and makes.

    reads: what the names end in that are looked for in folders, in lower case. called: what the files are called.
    makes: what the outputs' names end in. unmentioned: endings of files in folders that nobody expects to be read.
    package: says for another ending which package it takes to read it, or None. check: raises an error of nic's or a
    UsageError for an output's name that does not fit. shards: what becomes of .tar files of what it reads, which are
    looked for in folders, too; where it is empty, those that are named become shards again; None where none are read.
    """

    reads: frozenset[str]
    called: str
    makes: str
    unmentioned: frozenset[str] = frozenset()
    package: Callable[[str], str | None] = _no_package
    check: Callable[[PurePath], object] = _any_name
    shards: Shards | None = None

    def shard(self, source: PurePath) -> Shards:
        """Return what becomes of a source that is a shard, empty for other files."""
        return "" if self.shards is None or not is_shard(source) else self.shards or "tar"

    def ending(self, source: PurePath) -> str:
        """Return what the output's name ends in."""
        return {"": self.makes, "tar": SHARD, "folder": ""}[self.shard(source)]


@dataclass(frozen=True)
class Job:
    """One input and where its output goes: paths, or `nic_core.files.places.Url`s.

    make_folder: whether the target's folder is made where it is missing. problem: why it cannot be done, or empty.
    shard: what is made of a source that is one. again: whether it was tried before in this run, so that what lies at
    the target may be its own. without: members of the shard to leave out.
    """

    source: PurePath
    target: PurePath
    make_folder: bool = False
    problem: str = ""
    shard: Shards = ""
    again: bool = False
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a run does.

    jobs: in order. existing: what becomes of outputs that are there already. there: how many of them are passed over.
    notes: what else the user should know, in lines. folder: the one that all outputs lie below, those there too.
    """

    jobs: tuple[Job, ...]
    existing: Existing = "refuse"
    there: int = 0
    notes: tuple[str, ...] = ()
    folder: Path = Path()

    @property
    def to_stream(self) -> bool:
        """Whether standard output is one of the targets."""
        return any(job.target == STREAM for job in self.jobs)


@dataclass(frozen=True)
class Found:
    """The files of a run: (file, its path below an output folder), those passed over by kind, and folders unread."""

    files: list[tuple[PurePath, PurePath]]
    passed_over: Counter[str]
    unread: list[Job]


def plan(inputs: Sequence[PurePath], output: str | None, kind: Kind, existing: Existing = "refuse") -> Plan:
    """Return the jobs for files and folders.

    output: a file for one input, a folder for several, or for one if it exists or ends in a slash.

    Inputs that would be written to one name, by any file system's reckoning, keep their own endings in it: a.jpg and
    a.png become a.jpg.nic and a.png.nic. So names depend on the inputs alone, and a repeated run finds its files.

    Raises NicError where outputs are there already, UsageError where inputs and output do not fit together.
    """
    found = find(inputs, kind)
    shards = [kind.shard(source) for source, _ in found.files]
    into_folder = _into_folder(inputs, output, len(found.files), "folder" in shards)
    place = None if output is None else place_of(output)
    if place not in (None, STREAM) and not into_folder and not is_device(place):
        if shards != ["tar"]:
            kind.check(place)
        elif not is_shard(place):
            raise click.UsageError(f"-o {place} does not end in {SHARD}; a folder that is not there yet is {place}/")
    targets, renamed = _targets(found.files, place, into_folder, kind.ending)
    jobs = [
        Job(source, target, into_folder, shard=shard)
        for (source, _), target, shard in zip(found.files, targets, shards, strict=True)
    ]
    jobs = _without_clashes(list(dict.fromkeys(jobs)))
    refuse_terminals(any(job.source == STREAM for job in jobs), any(job.target == STREAM for job in jobs))
    sources = {os.path.realpath(job.source): job.source for job in jobs if job.source != STREAM}
    for job in jobs:
        if job.target != STREAM and (replaced := sources.get(os.path.realpath(job.target))):
            raise click.UsageError(f"the input {replaced} would be replaced by an output; say with -o where to write")
    there = [job for job in jobs if job.target != STREAM and exists(job.target) and not is_device(job.target)]
    if there and existing == "refuse":
        raise NicError(_refusal(there, len(jobs)))
    whole = {job for job in there if job.shard != "folder"}  # of a folder each file may be there or not
    left = jobs if existing == "replace" else [job for job in jobs if job not in whole]
    notes = [_renaming(renamed)] if renamed else []
    notes += [passed_over(found.passed_over, kind)] if found.passed_over else []
    folders = [os.path.dirname(os.path.abspath(job.target)) for job in jobs]
    folder = Path(os.path.commonpath(folders)) if folders else Path()
    return Plan((*found.unread, *left), existing, len(jobs) - len(left), tuple(notes), folder)


def find(inputs: Iterable[PurePath], kind: Kind) -> Found:
    """Return what lies at paths: files as they are, of folders the files of a kind; NicError for a folder without."""
    found = Found([], Counter(), [])
    for path in inputs:
        if is_folder(path):
            before, errors = len(found.files), len(found.unread)
            _walk(path, kind, found)
            if len(found.files) == before and len(found.unread) == errors:
                more = f" ({passed_over(found.passed_over, kind)})" if found.passed_over else ""
                raise NicError(f"no {kind.called} below {path}{more}")
        else:
            found.files.append((path, PurePath(path.name)))
    return found


def _walk(folder: PurePath, kind: Kind, found: Found) -> None:
    """Add what lies in a folder and those below it, in order; links to folders are not followed."""

    def unread(error: OSError) -> None:
        place = PurePath(error.filename or folder)
        problem = f"cannot read the folder {place}: {error.strerror or error}"
        found.unread.append(Job(place, place, problem=problem))

    for place, folders, names in walk(folder, unread):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = place / name
            suffix = path.suffix.lower()
            if name.startswith(".nic-") or suffix in kind.unmentioned:
                continue
            read = suffix in kind.reads or bool(kind.shards and kind.shard(path))
            if read and not name.startswith(".") and (is_url(path) or os.path.isfile(path)):
                found.files.append((path, path.relative_to(folder)))
            else:
                found.passed_over["hidden" if name.startswith(".") else suffix or "without an ending"] += 1


def passed_over(counts: Counter[str], kind: Kind) -> str:
    """Return in one line how many files of which endings were no input, and what it takes to read them."""
    parts = []
    for suffix, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        package = kind.package(suffix)
        parts.append(f"{count} {suffix}" + (f" (pip install {package})" if package else ""))
    total = sum(counts.values())
    return f"{total} {'file' if total == 1 else 'files'} passed over: {', '.join(parts)}"


def _into_folder(inputs: Sequence[PurePath], output: str | None, count: int, unpacks: bool) -> bool:
    if output is None or output == str(STREAM):
        if output is not None and (unpacks or count > 1 or any(map(is_folder, inputs))):
            raise click.UsageError("several inputs cannot go to standard output; give a folder with -o")
        return False
    several = unpacks or count > 1 or any(map(is_folder, inputs))
    into = several or output.endswith((os.sep, os.altsep or os.sep)) or is_folder(output)
    if into and exists(output) and not is_folder(output):
        raise click.UsageError(f"-o {output} is a file; several inputs need a folder")
    return into


def _targets(
    files: list[tuple[PurePath, PurePath]], place: PurePath | None, into_folder: bool, ending: Callable[[PurePath], str]
) -> tuple[list[PurePath], list[PurePath]]:
    """Return where each file goes, and the targets that keep their inputs' endings."""
    if place is not None and not into_folder:
        return [place] * len(files), []
    at = [source if place is None else place / relative for source, relative in files]
    whole: set[int] = set()

    def name(number: int) -> PurePath:
        path = at[number]
        if path == STREAM:
            return STREAM
        return path.with_name((path.name if number in whole else path.stem) + ending(files[number][0]))

    while True:
        groups = _sharing([name(number) for number in range(len(at))])
        clashing = {number for group in groups if len({files[number][0] for number in group}) > 1 for number in group}
        if clashing <= whole:
            break
        whole |= clashing
    targets = [name(number) for number in range(len(at))]
    return targets, [targets[number] for number in sorted(whole)]


def _sharing(targets: Sequence[PurePath]) -> list[list[int]]:
    """Return the numbers of the paths that some file system takes for one: cases and forms of accents do not count."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, target in enumerate(targets):
        if target != STREAM:
            groups[unicodedata.normalize("NFC", os.path.abspath(target)).casefold()].append(number)
    return [group for group in groups.values() if len(group) > 1]


def _without_clashes(jobs: list[Job]) -> list[Job]:
    """Return the jobs, where those that still share a name have that as their problem."""
    for group in _sharing([job.target for job in jobs]):
        names = " and ".join(str(jobs[number].source) for number in group)
        for number in group:
            job = jobs[number]
            problem = f"{names} would all be written to {job.target}: do them in separate runs"
            jobs[number] = replace(job, problem=problem)
    return jobs


def _renaming(targets: list[PurePath]) -> str:
    names = ", ".join(target.name for target in targets[:4])
    return f"{len(targets)} inputs that share their names keep their endings: {names}{', ...' if targets[4:] else ''}"


def _refusal(there: list[Job], count: int) -> str:
    what = f"{there[0].target} is there already"
    if len(there) > 1:
        what = f"{len(there)} of {count} outputs are there already, {there[0].target} first"
    return f"{what}; --overwrite replaces, --skip-existing passes over"
