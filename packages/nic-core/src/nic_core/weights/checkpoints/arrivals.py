"""From a record to the files of its checkpoints on this machine.

Downloads lie in a folder of the store until their weights are made; a later run goes on with what a cut one left.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nic_core.errors import BadWeights, NicError, WeightsNotFound
from nic_core.files.atomic import make_folder
from nic_core.plugins import list_codecs, records
from nic_core.spec import CheckpointSpec
from nic_core.weights import fetch
from nic_core.weights.checkpoints import archives, drive, sums
from nic_core.weights.origin import lambda_in, stem_of
from nic_core.weights.store import store_folder

PAGES = (b"<!doctype html", b"<html", b"<head")
"""How web pages begin, which servers send where a file is gone or wants a login."""


@dataclass(frozen=True)
class Wanted:
    """What to download for a record. files: address of each by its path in a folder, of the checkpoint first; the path
    is empty where the record's own address is that of a file."""

    spec: CheckpointSpec
    files: tuple[tuple[str, str], ...]

    @property
    def size(self) -> int:
        """How many bytes all of it has, 0 where that is not to be found out; asks servers. WeightsNotFound."""
        if self.spec.size:
            return self.spec.size
        sizes = [drive.size_of(at) if drive.is_file(at) else fetch.size_of(at) for _, at in self.files]
        return sum(sizes) if all(sizes) else 0

    @property
    def folder(self) -> Path:
        """Where its files lie until they are not needed any more."""
        return store_folder() / ".downloads" / hashlib.sha256(self.files[0][1].encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """What a user is shown: the name, and the path in a folder."""
        path = self.files[0][0]
        return f"{self.spec.name} ({path})" if path else self.spec.name


@dataclass(frozen=True)
class Arrived:
    """A checkpoint that is here.

    path: its file. member: its path in an archive or a folder, empty where it was alone. lmbda: the authors' lambda,
    None where nothing tells it. sums: the SHA-256 of what was downloaded by address, of the checkpoint itself first.
    """

    spec: CheckpointSpec
    path: Path
    member: str
    lmbda: float | None
    sums: Mapping[str, str]

    @property
    def source(self) -> dict[str, str]:
        """Where it came from, for the record of its weights."""
        location, sha256 = next(iter(self.sums.items()))
        return {"location": location, "member": self.member, "sha256": sha256, "page": self.spec.page}

    @property
    def name(self) -> str:
        """What its weights are to be called."""
        return name_of(self.spec, self.member)


def name_of(spec: CheckpointSpec, member: str) -> str:
    """Return what weights are to be called; member: their path in an archive or a folder, empty where alone."""
    if spec.lmbda is not None or not member:
        return spec.name
    told = lambda_in(member)
    return f"{spec.name}-{stem_of(PurePosixPath(member).parts[0]) if told is None else format(told, 'g')}"


def known(codec: str | None = None) -> list[CheckpointSpec]:
    """Return what can be had for installed codecs, or for one: by codec, then as plugins yield it."""
    installed = {spec.id for spec in list_codecs()}
    found: dict[tuple[str, str], CheckpointSpec] = {}
    for _, spec in records("nic_checkpoints"):
        if spec.codec in installed and codec in (None, spec.codec):
            found.setdefault((spec.codec, spec.name), spec)
    return sorted(found.values(), key=lambda spec: spec.codec)


def wanted(specs: Iterable[CheckpointSpec], lmbda: float | None = None) -> list[Wanted]:
    """Return what to download for records; folders are listed. lmbda: only the checkpoint of this, where names tell.

    WeightsNotFound where a folder cannot be listed or holds nothing that a record wants.
    """
    found = []
    for spec in specs:
        if drive.is_folder(spec.location):
            listed = drive.listing(spec.location)
            for paths in _chosen(spec, list(listed), lmbda):
                found.append(Wanted(spec, tuple((path, listed[path]) for path in paths)))
        else:
            found.append(Wanted(spec, (("", spec.location),)))
    return found


def arrive(wanted: Wanted, lmbda: float | None = None, changed: bool = False) -> Iterator[Arrived]:
    """Download and unpack; yield the checkpoints. lmbda: as in `wanted`; changed: see `sums.check`.

    WeightsNotFound where a download is not whole, too large or a web page, or an archive lacks the member; BadWeights
    where it has another SHA-256 than the record says or than before, and for an archive that is damaged or leads out
    of itself.
    """
    spec, folder = wanted.spec, wanted.folder
    make_folder(folder)
    paths, digests = [], {}
    for path, location in wanted.files:
        name = safe(PurePosixPath(path).name) if path else f"{safe(spec.name)}{'.zip' if spec.member else ''}"
        paths.append(folder / name)
        digests[location] = _downloaded(spec, location, paths[-1], changed)
    member = wanted.files[0][0]
    if member or not spec.member:
        yield Arrived(spec, paths[0], member, _lambda(spec, member), digests)
        return
    for number, members in enumerate(_chosen(spec, archives.members(paths[0]), lmbda)):
        inside = folder / str(number)
        make_folder(inside)
        targets = [inside / safe(PurePosixPath(path).name) for path in members]
        for path, target in zip(members, targets, strict=True):
            archives.extract(paths[0], path, target)
        yield Arrived(spec, targets[0], members[0], _lambda(spec, members[0]), digests)


def forget(wanted: Wanted) -> None:
    """Delete what was downloaded."""
    shutil.rmtree(wanted.folder, ignore_errors=True)


def _downloaded(spec: CheckpointSpec, location: str, target: Path, changed: bool) -> str:
    """Download a file, if it is not there; return its SHA-256. One that is not what it shall be is deleted."""
    if not target.exists():
        if drive.is_file(location):
            drive.fetch(location, target, target.name)
        else:
            part = target.with_name(f"{target.name}.part")
            fetch.fetch(location, part, resume=True)
            os.replace(part, target)
    try:
        with target.open("rb") as file:
            begins = file.read(512).lstrip().lower()
        if begins.startswith(PAGES):
            raise WeightsNotFound(f"{location} gave a web page instead of a file: see {spec.page or 'it in a browser'}")
        sha256 = fetch.sha256_of(target)
        if spec.sha256 and sha256 != spec.sha256:
            raise BadWeights(f"{location} does not have the expected SHA-256; nothing was kept")
        sums.check(location, sha256, changed)
    except NicError:
        target.unlink()
        raise
    return sha256


def _chosen(spec: CheckpointSpec, paths: list[str], lmbda: float | None) -> list[list[str]]:
    """Return the paths of each checkpoint in a folder or an archive, its own first; WeightsNotFound for none."""
    found = [path for path in sorted(paths) if re.fullmatch(spec.member, path)]
    if lmbda is not None and spec.lmbda is None:
        told = [path for path in found if lambda_in(path) == lmbda]
        if found and not told:
            raise WeightsNotFound(f"{spec.codec} has no checkpoint of lambda {lmbda:g}: there are {_some(found)}")
        found = told
    if not found:
        raise WeightsNotFound(f"{spec.location} holds no {spec.name}, but {_some(paths) or 'nothing'}")
    if spec.lmbda is not None and len(found) > 1:
        raise WeightsNotFound(f"{spec.location} holds more than one {spec.name}: {_some(found)}")
    return [[path, *_beside(spec, path, paths)] for path in found]


def _beside(spec: CheckpointSpec, path: str, paths: list[str]) -> list[str]:
    if not spec.beside:
        return []
    parent = PurePosixPath(path).parent
    others = [PurePosixPath(other) for other in sorted(paths) if other != path]
    return [str(other) for other in others if other.parent == parent and re.fullmatch(spec.beside, other.name)]


def _lambda(spec: CheckpointSpec, member: str) -> float | None:
    return spec.lmbda if spec.lmbda is not None or not member else lambda_in(member)


def _some(paths: list[str]) -> str:
    return ", ".join(path[:80] for path in paths[:8]) + (", ..." if len(paths) > 8 else "")


def safe(name: str) -> str:
    """Return a stranger's name of a file as one that can do no harm."""
    return re.sub(r"[^\w.-]+", "_", name)[:100].lstrip(".") or "_"
