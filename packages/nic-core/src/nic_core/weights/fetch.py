"""Fetching a weights file from a URL or from a Hugging Face repository."""

import shutil
import urllib.request
from http.client import HTTPException
from pathlib import Path

from nic_core.errors import WeightsNotFound


def fetch(location: str, target: Path) -> None:
    """Write what lies at a URL or in a Hugging Face repository to `target`; WeightsNotFound where it is not whole."""
    try:
        if location.startswith("hf://"):
            _fetch_from_hub(location, target)
        else:
            _fetch_from_web(location, target)
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsNotFound(f"cannot fetch {location}: {error}") from error


def _fetch_from_hub(location: str, target: Path) -> None:
    try:
        from huggingface_hub import hf_hub_download  # an optional dependency
    except ImportError as error:
        raise WeightsNotFound(f"{location} needs huggingface_hub: pip install 'nic-core[hub]'") from error
    parts = location.removeprefix("hf://").split("/", 2)
    if len(parts) != 3:
        raise ValueError("it must be hf://owner/repository/file")
    shutil.copyfile(hf_hub_download("/".join(parts[:2]), parts[2]), target)


def _fetch_from_web(location: str, target: Path) -> None:
    from rich.console import Console  # slow to import, needed only here
    from rich.markup import escape
    from rich.progress import wrap_file

    name = escape(location.rpartition("/")[2])
    with urllib.request.urlopen(location, timeout=30) as response, target.open("wb") as out:
        size = int(response.headers.get("Content-Length") or 0)
        console = Console(stderr=True)  # standard output may be a picture
        with wrap_file(
            response,
            size,
            description=f"fetching {name}",
            transient=True,
            console=console,
            disable=not console.is_terminal,
        ) as shown:
            shutil.copyfileobj(shown, out)
    if size and target.stat().st_size != size:
        raise OSError(f"the connection ended after {target.stat().st_size} of {size} bytes")
