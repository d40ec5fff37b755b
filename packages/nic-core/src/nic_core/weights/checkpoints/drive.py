"""Files and folders of Google Drive, by the library gdown; the only module that imports it."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nic_core.errors import NicError, WeightsNotFound
from nic_core.weights.fetch import PATIENCE, transfer_bar

FILE = re.compile(r"https://drive\.google\.com/file/d/([-\w]+)(/.*)?")
FOLDER = re.compile(r"https://drive\.google\.com/drive/folders/([-\w]+)(\?.*)?")
ADVICE = r"Failed to retrieve file url: |You may (still be able|need) to .*"
"""What gdown adds to its reasons."""
RETRIES = 2
"""How often a cut transfer goes on within a call."""


class _Known(Exception):
    """Ends a transfer when the server has said the size."""


def is_file(location: str) -> bool:
    """Whether an address is that of a file of Drive."""
    return FILE.fullmatch(location) is not None


def is_folder(location: str) -> bool:
    """Whether an address is that of a folder of Drive."""
    return FOLDER.fullmatch(location) is not None


def listing(location: str) -> dict[str, str]:
    """Return the addresses of the files in a folder and those below it, by path; WeightsNotFound."""
    gdown = _gdown()
    with _told(location):
        found = gdown.download_folder(
            id=_id(location), quiet=True, use_cookies=False, skip_download=True, timeout=PATIENCE
        )
        return {file.path.replace("\\", "/"): f"https://drive.google.com/file/d/{file.id}" for file in found}


def size_of(location: str) -> int:
    """Return how many bytes a file has, 0 where Drive does not say; WeightsNotFound."""
    gdown = _gdown()

    def stop(done: int, size: int | None) -> None:
        raise _Known(size or 0)

    with _told(location):
        try:
            # There is no other way to be told: of the file itself one piece is read.
            gdown.download(
                id=_id(location), output=io.BytesIO(), quiet=True, use_cookies=False, timeout=PATIENCE, progress=stop
            )
        except _Known as known:
            return int(known.args[0])
    return 0


def fetch(location: str, target: Path, name: str) -> None:
    """Write a file of Drive to `target`; what arrived of a cut transfer stays beside it, and the next call goes on.

    name: what the progress bar calls it. WeightsNotFound where it is not whole, too large or not to be had.
    """
    gdown = _gdown()
    how: dict[str, Any] = {"quiet": True, "use_cookies": False, "timeout": PATIENCE, "retries": RETRIES, "resume": True}
    with _told(location), transfer_bar(f"fetching {name}") as bar:
        began = False

        def tell(done: int, size: int | None) -> None:
            nonlocal began
            began = True
            bar(done, size or 0)

        parts = list(target.parent.glob(f"{target.name}*.part"))
        try:
            gdown.download(id=_id(location), output=str(target), progress=tell, **how)
        except gdown.exceptions.FileURLRetrievalError:  # Drive gives no file at all
            raise
        except gdown.exceptions.DownloadError:
            if began or not parts:
                raise
            for part in parts:  # of another file than is there now, or two of them: begin anew
                part.unlink()
            gdown.download(id=_id(location), output=str(target), progress=tell, **how)


def _id(location: str) -> str:
    found = FILE.fullmatch(location) or FOLDER.fullmatch(location)
    assert found is not None
    return found[1]


def _gdown() -> Any:
    try:
        import gdown  # an optional dependency
    except ImportError as error:
        raise WeightsNotFound("Google Drive is read by gdown: pip install 'nic-core[get]'") from error
    return gdown


@contextmanager
def _told(location: str) -> Iterator[None]:
    """Turn what gdown and requests raise into WeightsNotFound, in one line."""
    try:
        yield
    except (NicError, _Known):
        raise
    except Exception as error:
        reason = re.sub(ADVICE, "", " ".join(str(error).split())).strip() or type(error).__name__
        advice = "a browser may still get it, and 'nic weights import' read it"
        raise WeightsNotFound(f"cannot fetch {location}: {reason[:200]} ({advice})") from error
