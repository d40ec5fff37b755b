"""The pictures of a data set, wherever they are: in a folder, in shards (.tar files), or at a URL.

Those of a folder are measured where they lie. Others are brought into the report's folder first, so that every process
that measures them finds them, and a later run need not bring them again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from nic_core.ahead import ahead
from nic_core.errors import CannotRead, NicError
from nic_core.files import places, shards
from nic_core.files.atomic import atomic_write, make_folder
from nic_core.pictures import image_files
from rich.console import Console

from nic_eval.files import ORIGINALS, find_pictures, listed
from nic_eval.measuring.cache import Cache, key_of
from nic_eval.measuring.request import Log
from nic_eval.names import slug
from nic_eval.terminal import progress, status

CONNECTIONS = 8
"""Files that are fetched from a URL at once: most of the time nothing but waiting."""


@dataclass(frozen=True)
class Found:
    """What a place holds: pictures, or where there is none shards, by their paths or URLs, in order.

    files: a list of the pictures to take of the shards, None for all.
    """

    place: PurePath
    pictures: tuple[PurePath, ...] = ()
    shards: tuple[PurePath, ...] = ()
    files: Path | None = None

    @property
    def is_here(self) -> bool:
        """Whether the pictures can be measured where they lie."""
        return bool(self.pictures) and not places.is_url(self.place)


def find(place: PurePath, report: Path, files: Path | None = None) -> Found:
    """Return the pictures of a folder or a URL, or the shards, of which a single one may be named.

    report: a folder whose files are none of them. files: a list of the pictures to take, None for all.
    NicError where there is nothing, CannotRead.
    """
    if shards.is_shard(place) and not _is(places.is_folder, place):
        if not _is(places.exists, place):
            raise CannotRead(f"cannot read {place}: no such file")
        return Found(place, shards=(place,), files=files)
    if not places.is_url(place):
        folder = Path(place)
        try:
            pictures = find_pictures(folder, report)
        except NicError:
            if tars := sorted(path for path in folder.rglob("*") if shards.is_shard(path) and path.is_file()):
                return Found(place, shards=tuple(tars), files=files)
            raise
        return Found(place, tuple(listed(pictures, files, place)))
    there = sorted(_files(place))
    if remote := [path for path in there if path.suffix.lower() in image_files.READABLE_SUFFIXES]:
        return Found(place, tuple(listed(remote, files, place)))
    if packed := tuple(path for path in there if shards.is_shard(path)):
        return Found(place, shards=packed, files=files)
    raise NicError(f"no pictures and no shards below {place}")


def bring(found: Found, report: Path, cache: Cache, log: Log, console: Console) -> tuple[Path, list[Path]]:
    """Return a folder of this machine and the pictures below it; what cannot be brought is logged.

    NicError where nothing could be.
    """
    if found.is_here:
        return Path(found.place), [Path(path) for path in found.pictures]
    folder = report / ORIGINALS / f"{slug(found.place.stem)[:40]}-{key_of(str(found.place))[:8]}"
    if found.pictures:
        brought = _fetched(found.pictures, found.place, folder, log, console)
    else:
        brought = []
        for shard in found.shards:
            inside = folder if shard == found.place else folder / shard.relative_to(found.place)
            try:
                with status(console, f"unpacking {shard.name}"):
                    brought += _unpacked(shard, inside, cache)
            except NicError as error:
                log.fail("skipped", error)
    if not brought:
        raise NicError("; ".join(log.failures) or f"no pictures in {found.place}")
    return folder, listed(brought, found.files, found.place)


def _fetched(urls: Sequence[PurePath], root: PurePath, folder: Path, log: Log, console: Console) -> list[Path]:
    """Return the pictures at URLs below a root as files below a folder; those that are there are taken as they are."""

    def fetch(url: PurePath) -> Path | NicError:
        try:
            target = Path(shards.inside(folder, url.relative_to(root).as_posix()))
            if not target.exists():
                data = places.read_bytes(url)
                make_folder(target.parent)
                atomic_write(target, data)
            return target
        except OSError as error:
            return CannotRead(f"cannot read {url}: {error.strerror or error}")
        except NicError as error:
            return error

    brought = []
    with progress(console, "fetching pictures", len(urls)) as advance:
        for url, result in zip(urls, ahead(fetch, urls, len(urls), CONNECTIONS), strict=True):
            if isinstance(result, Path):
                brought.append(result)
            else:
                log.fail("skipped", result)
            advance(url.name)
    return brought


def _unpacked(shard: PurePath, folder: Path, cache: Cache) -> list[Path]:
    """Return the pictures of a shard as files below a folder; they are kept as long as the shard is the same.

    Of a URL nobody can tell: what was unpacked once stays. DamagedFile, CannotRead, CannotWrite.
    """
    found = None if places.is_url(shard) or not Path(shard).exists() else Path(shard).stat()
    key = key_of("shard", str(shard), f"{found.st_size} {found.st_mtime_ns}" if found else "")
    names = cache.get(key).get("members")
    if isinstance(names, list):
        paths = [Path(shards.inside(folder, str(name))) for name in names]
        if all(path.is_file() for path in paths):
            return paths
    brought = {}
    for member in shards.members(shard):
        name = PurePath(member.name)
        if name.suffix.lower() in image_files.READABLE_SUFFIXES and not name.name.startswith("."):
            target = Path(shards.inside(folder, member.name))
            make_folder(target.parent)
            atomic_write(target, member.data)
            brought[member.name] = target
    cache.put(key, {"members": list(brought)})
    return list(brought.values())


def _files(place: PurePath) -> Iterator[PurePath]:
    """Yield the files below a URL, but for hidden ones; CannotRead where it cannot be listed."""

    def unread(error: OSError) -> None:
        raise error

    try:
        if not _is(places.is_folder, place):
            raise CannotRead(f"{place} is no folder and no {shards.SUFFIX} file")
        for folder, folders, names in places.walk(place, unread):
            folders[:] = [name for name in folders if not name.startswith(".")]
            yield from (folder / name for name in names if not name.startswith("."))
    except OSError as error:
        raise CannotRead(f"cannot read {place}: {error.strerror or error}") from error


def _is(what: Callable[[PurePath], bool], place: PurePath) -> bool:
    try:
        return what(place)
    except OSError as error:
        raise CannotRead(f"cannot read {place}: {error.strerror or error}") from error
