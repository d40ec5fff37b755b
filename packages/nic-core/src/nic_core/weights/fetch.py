"""Fetching a weights file: from the web, from a Hugging Face repository, or from any store that fsspec knows."""

import base64
import hashlib
import os
import re
import shutil
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, BinaryIO
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from nic_core.errors import NicError, WeightsNotFound
from nic_core.files import places

LARGEST = 4 << 30
"""Bytes that are fetched at most."""
PIECE = 1 << 20


def is_remote(location: str) -> bool:
    """Whether a location must be fetched."""
    return places.is_url(location)


def shown(location: str) -> str:
    """Return a location for people to read: a URL without what may be secret in it, its user, password and query."""
    return re.sub("([a-zA-Z][a-zA-Z0-9+.-]*://)[^/]*@|[?#].*", r"\1", location) if is_remote(location) else location


def fetch(location: str, target: Path) -> str:
    """Write what lies at a URL or in a Hugging Face repository to `target`; return its SHA-256.

    WeightsNotFound where it is not whole, larger than 4 GB, not to be had by https alone (NIC_ALLOW_HTTP=1 allows http
    too), or where fsspec, which other URLs are read by, or its package for such a store is not installed.
    """
    scheme = location.lower().partition("://")[0]
    get = {"hf": _fetch_from_hub, "https": _fetch_from_web, "http": _fetch_from_web}.get(scheme, _fetch_by_fsspec)
    try:
        get(location, target)
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


def _fetch_from_web(location: str, target: Path) -> None:
    with build_opener(Redirects).open(_request(location), timeout=30) as response:
        _keep(response, int(response.headers.get("Content-Length") or 0), location, target)


def _fetch_by_fsspec(location: str, target: Path) -> None:
    for scheme in re.findall("([a-z0-9+.-]+)://", location.lower()):
        if scheme in ("http", "ftp"):  # below another one, such as simplecache::http://
            _check_scheme(f"{scheme}://")
    with places.open_binary(location) as file:
        _keep(file, getattr(file, "size", None) or 0, location, target)


def _keep(file: BinaryIO, size: int, location: str, target: Path) -> None:
    """Write what comes to `target`. size: in bytes, 0 where it is not known."""
    from rich.console import Console  # slow to import, needed only here
    from rich.markup import escape
    from rich.progress import wrap_file

    if size > LARGEST:
        raise ValueError(f"it has {size} bytes, more than {LARGEST}")
    name = escape(shown(location).rpartition("/")[2])
    console = Console(stderr=True)  # standard output may be a picture
    hidden = not console.is_terminal
    shows = wrap_file(file, size, description=f"fetching {name}", transient=True, console=console, disable=hidden)
    with target.open("wb") as out, shows as coming:
        while piece := coming.read(PIECE):
            out.write(piece)
            if out.tell() > LARGEST:
                raise ValueError(f"it has more than {LARGEST} bytes")
    if size and target.stat().st_size != size:
        raise OSError(f"the connection ended after {target.stat().st_size} of {size} bytes")
