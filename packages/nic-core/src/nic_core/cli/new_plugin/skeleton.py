"""The files of a new plugin, made from templates: `string.Template` with the names of `Names`.

A template lies where its file will, with PACKAGE for the package's name, "dot-" before what begins with a dot, and
".tmpl" at the end, since it is no valid file of its kind.
"""

import datetime
from pathlib import Path, PurePosixPath
from string import Template
from typing import Literal

from nic_core import __version__
from nic_core.cli.new_plugin.names import Names
from nic_core.errors import CannotWrite
from nic_core.files.atomic import atomic_write, make_folder

Kind = Literal["pixel", "latent"]
TEMPLATES = Path(__file__).parent / "templates"


def contents(kind: Kind, names: Names) -> dict[PurePosixPath, str]:
    """Return the text of every file by its path in the distribution."""
    major, minor, *_ = __version__.split(".")
    values = {
        "codec": names.codec,
        "distribution": names.distribution,
        "package": names.package,
        "title": names.title,
        "core": f"{major}.{minor}.*",
        "year": str(datetime.date.today().year),
    }
    found = {}
    for folder in (TEMPLATES / "common", TEMPLATES / kind):
        for template in sorted(folder.rglob("*.tmpl")):
            path = template.relative_to(folder).with_suffix("").as_posix()
            path = path.replace("dot-", ".").replace("PACKAGE", names.package)
            found[PurePosixPath(path)] = Template(template.read_text(encoding="utf-8")).substitute(values)
    return found


def write(kind: Kind, names: Names, folder: Path) -> list[Path]:
    """Write a distribution into a folder that is new or empty; return the paths of its files. CannotWrite."""
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise CannotWrite(f"{folder} is there already: nothing is overwritten; choose another place with -o")
    written = []
    for path, text in contents(kind, names).items():
        target = folder / path
        make_folder(target.parent)
        atomic_write(target, text.encode(), replace=False)
        written.append(target)
    return written
