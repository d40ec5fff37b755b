"""`--dump`: what pictures are coded by, where a person can look at it, as files in a folder."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

import click

from nic_core.cli.jobs import STREAM, Existing, PlaceType
from nic_core.cli.output import write
from nic_core.files.atomic import check_writable, make_folder
from nic_core.files.places import exists
from nic_core.spec import CodecSpec


def with_dump(help: str) -> Callable[[Any], Any]:
    """Return what adds the flag to a verb."""
    return click.option("--dump", type=PlaceType(), metavar="FOLDER", help=help)


def nothing_to_dump(codec: CodecSpec) -> str:
    """Return what is said of a codec that has no parts."""
    return f"nothing to dump: {codec.id} codes a picture by nothing that can be looked at"


def dump_parts(parts: Mapping[str, bytes], stem: PurePath, how: Existing) -> None:
    """Write the parts of a file, named by a path to which they add their suffixes."""
    make_folder(stem.parent)
    for suffix, content in parts.items():
        path = stem.with_name(f"{stem.name}{suffix}")
        if how != "skip" or not exists(path):
            check_writable(path)
            write(path, content, how == "replace")


def dump_stem(target: PurePath, folder: PurePath, dump: PurePath) -> PurePath:
    """Return the path that the parts behind a target are named by: as targets lie below a folder, below another."""
    if target == STREAM:
        return dump / "picture"
    return dump / Path(os.path.abspath(target)).relative_to(folder).with_suffix("")
