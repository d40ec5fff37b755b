"""Fetching a weights file: from the web, from a Hugging Face repository, or from any store that fsspec knows."""

import base64
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from nic_core import progress
from nic_core.errors import NicError, WeightsNotFound
from nic_core.files import places

logger = logging.getLogger("nic")

LARGEST = 4 << 30
"""Bytes that are fetched at most."""
PIECE = 1 << 20
PATIENCE = 30
"""Seconds that a server may be silent."""
UNSATISFIABLE = 416
PARTIAL = 206


def is_remote(location: str) -> bool:
    """Whether a location must be fetched."""
    return places.is_url(location)


def shown(location: str) -> str:
    """Return a location for people to read: a URL without what may be secret in it, its user, password and query."""
    return re.sub("([a-zA-Z][a-zA-Z0-9+.-]*://)[^/]*@|[?#].*", r"\1", location) if is_remote(location) else location


def fetch(location: str, target: Path, resume: bool = False) -> str:
    """Write what lies at a URL or in a Hugging Face repository to `target`; return its SHA-256.

    resume: keep what arrived when a transfer by https is cut, and go on from there next time, if the server still has
    the same file; it is told by a small file beside.

    WeightsNotFound where it is not whole, larger than 4 GB, not to be had by https alone (NIC_ALLOW_HTTP=1 allows http
    too), or where fsspec, which other URLs are read by, or its package for such a store is not installed.
    """
    scheme = location.lower().partition("://")[0]
    try:
        if scheme in ("https", "http"):
            _fetch_from_web(location, target, resume)
        elif scheme == "hf":
            _fetch_from_hub(location, target)
        else:
            _fetch_by_fsspec(location, target)
        return sha256_of(target)
    except WeightsNotFound:
        raise
    except NicError as error:  # fsspec, or what it takes for this kind of URL, is not installed
        raise WeightsNotFound(str(error).replace(location, shown(location))) from error
    except (OSError, HTTPException, ValueError) as error:
        says = str(error).replace(location, shown(location))
        raise WeightsNotFound(f"cannot fetch {shown(location)}: {says}") from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _fetch_from_hub(location: str, target: Path) -> None:
    try:
        from huggingface_hub import hf_hub_download  # an optional dependency
    except ImportError as error:
        raise WeightsNotFound(f"{location} needs huggingface_hub: pip install 'nic-core[hub]'") from error
    parts = location[len("hf://") :].split("/", 2)
    if len(parts) != 3:
        raise ValueError("it must be hf://owner/repository/file")
    shutil.copyfile(hf_hub_download("/".join(parts[:2]), parts[2]), target)


class Redirects(HTTPRedirectHandler):
    """Follows redirects to addresses that could have been given at first."""

    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> Any:
        """See `HTTPRedirectHandler`; ValueError for another scheme."""
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str) -> None:
    scheme = urlsplit(url).scheme.lower()
    if scheme == "https" or (scheme == "http" and os.environ.get("NIC_ALLOW_HTTP") == "1"):
        return
    hint = "; NIC_ALLOW_HTTP=1 allows http, which anyone on the way can alter" if scheme == "http" else ""
    raise ValueError(f"weights come by https, not by {scheme}{hint}")


def _request(url: str) -> Request:
    """Return the request for a URL; a user and password in it become a header, which no redirect carries on."""
    _check_scheme(url)
    parts = urlsplit(url)
    user, mark, host = parts.netloc.rpartition("@")
    request = Request(urlunsplit(parts._replace(netloc=host)))
    if mark:
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(unquote(user).encode()).decode()}")
    return request


def size_of(location: str) -> int:
    """Return how many bytes lie at a URL, 0 where its server does not say; WeightsNotFound as `fetch` says."""
    try:
        with build_opener(Redirects).open(_request(location), timeout=PATIENCE) as response:
            return int(response.headers.get("Content-Length") or 0)
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsNotFound(f"cannot fetch {shown(location)}: {error}") from error


@contextmanager
def transfer_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a transfer on a terminal, unless it shall be quiet; yield what is told of it: bytes done, and in all or 0.

    What is told is a step of long work, see `nic_core.progress.check`. ValueError from there for too many bytes.
    """
    from rich.console import Console  # slow to import, needed only here
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)  # standard output may be a picture
    text = TextColumn("{task.description}")
    columns = (text, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    hidden = not console.is_terminal or logger.getEffectiveLevel() > logging.WARNING
    with Progress(*columns, console=console, transient=True, disable=hidden, redirect_stdout=False) as bars:
        task = bars.add_task(escape(title), total=None)

        def tell(done: int, size: int) -> None:
            if size > LARGEST:
                raise ValueError(f"it has {size} bytes, more than {LARGEST}")
            if done > LARGEST:
                raise ValueError(f"it has more than {LARGEST} bytes")
            progress.check()
            bars.update(task, completed=done, total=size or None)

        yield tell


def _fetch_from_web(location: str, target: Path, resume: bool) -> None:
    request, mark = _request(location), target.with_name(f"{target.name}.mark")
    have = target.stat().st_size if resume and mark.exists() and target.exists() else 0
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", mark.read_text())
    try:
        response = build_opener(Redirects).open(request, timeout=PATIENCE)
    except HTTPError as error:
        if not have or error.code != UNSATISFIABLE:
            raise
        target.unlink()  # as long as what is there now, or longer: begin anew
        return _fetch_from_web(location, target, resume)
    with response:
        if response.status != PARTIAL:
            have = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            target.unlink()
            raise ValueError("the server went on elsewhere than it was asked to; begin anew")
        length = int(response.headers.get("Content-Length") or 0)
        size = have + length if length else 0
        if resume:
            _note_version(response.headers, mark)
        with (
            transfer_bar(f"fetching {shown(location).rpartition('/')[2]}") as tell,
            target.open("ab" if have else "wb") as out,
        ):
            tell(have, size)
            while piece := response.read(PIECE):
                out.write(piece)
                tell(out.tell(), size)
    if size and target.stat().st_size != size:
        raise OSError(f"the connection ended after {target.stat().st_size} of {size} bytes")
    mark.unlink(missing_ok=True)
    return None


def _fetch_by_fsspec(location: str, target: Path) -> None:
    for scheme in re.findall("([a-z0-9+.-]+)://", location.lower()):
        if scheme in ("http", "ftp"):  # below another one, such as simplecache::http://
            _check_scheme(f"{scheme}://")
    title = f"fetching {shown(location).rpartition('/')[2]}"
    with places.open_binary(location) as file, transfer_bar(title) as tell, target.open("wb") as out:
        size = getattr(file, "size", None) or 0
        tell(0, size)
        while piece := file.read(PIECE):
            out.write(piece)
            tell(out.tell(), size)


def _note_version(headers: Any, mark: Path) -> None:
    """Write what tells a file from a later one at the same address; nothing where the server does not say."""
    tag = headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
    if version:
        mark.write_text(version)
    else:
        mark.unlink(missing_ok=True)
