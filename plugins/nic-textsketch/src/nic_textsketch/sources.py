"""Where the models of others are on this machine: given as folders, in the Hugging Face cache, or downloaded.

huggingface_hub takes a second to import, and is imported for what no folder holds.
"""

import fnmatch
import io
import logging
import os
import shlex
from collections.abc import Sequence
from contextvars import copy_context
from pathlib import Path
from typing import Any

from nic_core import progress
from nic_core.errors import NicError
from nic_nn.weights.pretrained import obtaining

from nic_textsketch.config import Source

logger = logging.getLogger("nic")


def folder(source: Source, models: Path | None, files: Sequence[str]) -> Path:
    """Return the folder of a model, which is downloaded where it is not on this machine.

    It is the source's name itself where that is a folder; else the folder of that name below `models`, or below what
    the environment variable NIC_MODELS names; else the Hugging Face cache's.

    files: patterns of the files needed, each of which must fit a file. Alternatives are "a|b", the preferred first.

    NicError, saying how the files can be had, where some are missing and cannot be downloaded, or must not be since
    HF_HUB_OFFLINE is set.
    """
    if models is None and os.environ.get("NIC_MODELS"):
        models = Path(os.environ["NIC_MODELS"])
    if models and not models.is_dir():
        raise NicError(f"there is no folder {models} of local models, which --models or NIC_MODELS names")
    if Path(source.name).is_file():
        raise NicError(f"{source.name} is a file; a model is a folder, or OWNER/NAME on the Hugging Face hub")
    places = [Path(source.name), *([models / source.name] if models else [])]
    for place in places:
        if place.is_dir():
            if lacking := missing(place, files):
                lacks = f"the model in {place} is not complete: it has no {lacking[0].replace('|', ' or ')}"
                raise NicError(f"{lacks}; {_remedy(source, files)}")
            return place
    cached = _cached(source)
    lacking = missing(cached, files) if cached else list(files)
    if cached and not lacking:
        return cached
    from huggingface_hub.constants import HF_HUB_OFFLINE

    remedy = _remedy(source, files)
    if HF_HUB_OFFLINE:
        what = f"{lacking[0].replace('|', ' or ')} of it" if cached else "it"
        reason = f"{what} is not on this machine, and HF_HUB_OFFLINE is set: unset it"
        raise NicError(f"cannot get {source.name}: {reason}, or {remedy}")
    logger.info("%s is not on this machine: it is downloaded once%s", source.name, _size(source))
    with obtaining(source.name, "", remedy):
        return _download(source, files)


def missing(place: Path, files: Sequence[str]) -> list[str]:
    """Return the patterns, with all their alternatives, that fit no file in a folder."""
    return [entry for entry in files if not any(any(place.glob(pattern)) for pattern in entry.split("|"))]


def _remedy(source: Source, files: Sequence[str]) -> str:
    """Return how a user gets the files."""
    preferred = [entry.split("|") for entry in files]
    includes = [argument for alternatives in preferred for argument in ("--include", alternatives[0])]
    command = shlex.join(["hf", "download", source.name, "--revision", source.revision, *includes])
    others = [name for alternatives in preferred for name in alternatives[1:]]
    instead = f" (where it has none of these, {' and '.join(others)} will do)" if others else ""
    copy = f"keep a copy as DIR/{source.name}, and say --models DIR or NIC_MODELS=DIR"
    return f"download it{_size(source)} by `{command}`{instead}, or {copy}"


def _size(source: Source) -> str:
    """Return the size of the download in parentheses, empty if unknown."""
    return f" ({source.gigabytes:g} GB)" if source.gigabytes else ""


def _cached(source: Source) -> Path | None:
    """Return what the hub's cache has of a model, be it complete or not; None if that is nothing."""
    import huggingface_hub

    try:
        # Without patterns, since those here have alternatives: `missing` checks instead
        path = huggingface_hub.snapshot_download(
            source.name, revision=source.revision, allow_patterns=[], local_files_only=True
        )
    except (OSError, ValueError):  # not there; no name that the hub allows
        return None
    return Path(path)


def _download(source: Source, files: Sequence[str]) -> Path:
    """Download what is not in the hub's cache yet; raises anything."""
    import huggingface_hub

    # This asks once, while a download without a network would try again for minutes
    info = huggingface_hub.HfApi().model_info(source.name, revision=source.revision, timeout=10)
    names = [file.rfilename for file in info.siblings or []]
    there = [[pattern for pattern in entry.split("|") if fnmatch.filter(names, pattern)] for entry in files]
    if lacking := [entry for entry, patterns in zip(files, there, strict=True) if not patterns]:
        raise FileNotFoundError(f"its revision {source.revision} has no {lacking[0].replace('|', ' or ')}")
    return Path(
        huggingface_hub.snapshot_download(
            source.name,
            revision=source.revision,
            allow_patterns=[patterns[0] for patterns in there],
            tqdm_class=_bar(f"downloading {source.name} (MB)"),
        )
    )


def _bar(what: str) -> Any:
    """Return a class of progress bars for huggingface_hub, which report megabytes instead of drawing themselves."""
    from tqdm import tqdm  # huggingface_hub's own

    context = copy_context()  # the listener's: the hub downloads in threads, which have none

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def display(self, *args: Any, **kwargs: Any) -> None:
            total = int(self.total or 0) >> 20
            if self.unit == "B" and self.n and total:  # others count files, or are not begun
                context.copy().run(progress.report, what, int(self.n) >> 20, total)

    return Bar
