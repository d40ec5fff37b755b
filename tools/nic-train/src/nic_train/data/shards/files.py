"""Where shards lie, local files or https:// addresses and nothing else, and how they are opened.

A run that somebody else began says in its run.json where its shards are. webdataset's own `gopen` would run a shell
command where a name begins with pipe:, and other programs for other schemes; nothing here starts a program.
"""

import os
import re
import time
import urllib.request
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError

from braceexpand import braceexpand
from nic_core.errors import NicError
from nic_core.pictures import image_files

TFRECORDS = (".tfrecord", ".tfrecords")
ENDINGS = (".tar", ".tar.gz", ".tgz", *TFRECORDS)
WEB = "https://"

_MOST_SHARDS = 1_000_000
_LONGEST = 100_000  # characters that name shards
_ATTEMPTS = 5  # to reach a web server, each after twice the time
_TIMEOUT = 30.0


def shard_urls(data: str) -> tuple[str, ...]:
    """Return the shards that `data` stands for: a folder of only shards, or a path or URL with {000..099}; () if none.

    Several paths or URLs may stand with :: between them. NicError where a local one does not exist, and for all that
    is neither a file nor an https:// address.
    """
    if os.path.isdir(data):
        files = [path for path in sorted(Path(data).iterdir()) if path.is_file()]
        if any(path.suffix.lower() in image_files.READABLE_SUFFIXES for path in files):
            return ()
        return tuple(str(path) for path in files if path.name.endswith(ENDINGS))
    if not data.endswith(ENDINGS):
        return ()
    try:
        if _most_names(data) > _MOST_SHARDS:
            raise NicError(f"{data[:100]} names more than {_MOST_SHARDS} shards")
        urls = tuple(url for part in data.split("::") for url in braceexpand(part))
    except ValueError as error:  # of braces that are not closed, or numbers without end
        raise NicError(f"{data[:100]} names no shards: {error}") from error
    missing = [url for url in urls if is_local(url) and not os.path.isfile(url)]
    if other := next((url for url in missing if re.match(r"[A-Za-z][\w.+-]+:", url)), None):
        raise NicError(f"shards are files or {WEB} addresses, not {other}")
    if missing:
        raise NicError(f"{len(missing)} of {len(urls)} shards do not exist: {missing[0]}")
    return urls


def _most_names(data: str) -> int:
    """Return how many names braces stand for at most, without making them."""
    count = data.count("::") + 1
    while len(data) < _LONGEST and (found := re.search(r"\{([^{}]*)\}", data)):
        ends = re.match(r"(-?\d+)\.\.(-?\d+)", found[1])
        letters = 52 if ".." in found[1] else 1
        count *= abs(int(ends[2]) - int(ends[1])) + 1 if ends else letters + found[1].count(",")
        data = data[: found.start()] + data[found.end() :]
    return count if len(data) < _LONGEST else _MOST_SHARDS + 1


def is_tfrecord(url: str) -> bool:
    """Tell whether a shard is a file of TFRecords."""
    return url.endswith(TFRECORDS)


def is_local(url: str) -> bool:
    """Tell whether a shard is a file."""
    return not url.startswith(WEB)


def open_shard(url: str) -> IO[bytes]:
    """Open a shard for reading; OSError where that does not work, also for a redirection away from https."""
    if is_local(url):
        return open(url, "rb")
    for attempt in range(_ATTEMPTS):
        try:
            return _OPENER.open(url, timeout=_TIMEOUT)
        except HTTPError as error:
            if error.code < 500 or attempt == _ATTEMPTS - 1:
                raise
        except OSError:
            if attempt == _ATTEMPTS - 1:
                raise
        time.sleep(2**attempt)
    raise AssertionError("the last attempt returns or raises")


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Follow a redirection to https only."""
        if not newurl.startswith(WEB):
            raise URLError(f"it redirects to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_OnlyHttps)
