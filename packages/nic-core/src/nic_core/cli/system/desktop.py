"""`nic desktop`: the type of .nic files, previews and an entry to open them, for desktops as of freedesktop.org."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click
from platformdirs import user_cache_path

from nic_core import api
from nic_core.cli.output import read, say, write
from nic_core.cli.settings import Suggesting
from nic_core.errors import CannotWrite, NicError
from nic_core.files.atomic import atomic_write, make_folder
from nic_core.pictures import image_files


@dataclass(frozen=True)
class Piece:
    """A file of ours and where it goes: a folder below the data folder. what: for people."""

    name: str
    folder: str
    what: str

    @property
    def text(self) -> str:
        """What the package holds."""
        return (files("nic_core.cli.system") / "freedesktop" / self.name).read_text(encoding="utf-8")

    def path(self, data: Path) -> Path:
        """Return where it lies below a data folder."""
        return data / self.folder / self.name


TYPE = Piece("nic.xml", "mime/packages", "the type image/x-nic")
ENTRY = Piece("nic.desktop", "applications", "opening by a double click")
PREVIEWS = Piece("nic.thumbnailer", "thumbnailers", "previews in file managers")
MAGIC = Piece("nic.magic", "nic", "what file(1) can be told")
PIECES = (TYPE, ENTRY, PREVIEWS, MAGIC)
DATABASES = {
    "update-mime-database": ("mime", "shared-mime-info"),
    "update-desktop-database": ("applications", "desktop-file-utils"),
}
"""Programs that must run after a change, the folder that each reads, and the package that brings it."""


@click.group(cls=Suggesting)
def desktop() -> None:
    """Tell a Linux desktop about .nic files, or no longer.

    \b
    nic desktop install                     for you
    sudo nic desktop install --prefix /usr/local    for everyone
    nic desktop uninstall

    After it file managers know the type image/x-nic, show previews and open .nic files in the image viewer.
    """


def _with_place(command: Callable[..., None]) -> Callable[..., None]:
    user = click.option("--user", is_flag=True, help="Into your own data folder (XDG_DATA_HOME); the default.")
    prefix = click.option(
        "--prefix", type=click.Path(path_type=Path), metavar="DIR", help="Into DIR/share instead, such as /usr/local."
    )
    return user(prefix(command))


@desktop.command()
@_with_place
def install(user: bool, prefix: Path | None) -> None:
    """Write the files that a desktop reads, and have its databases made anew. Safe to repeat."""
    data, program = data_folder(user, prefix), own_program()
    for piece in PIECES:
        make_folder(piece.path(data).parent)
        atomic_write(piece.path(data), filled(piece, program).encode())
        say(f"{piece.path(data)}: {piece.what}")
    for line in refreshed(data):
        say(line)
    magic = shlex.quote(str(MAGIC.path(data)))
    say(f"file(1) reads no such folder: file -m {magic} FILE, or add that file to ~/.magic")


@desktop.command()
@_with_place
def uninstall(user: bool, prefix: Path | None) -> None:
    """Remove what `nic desktop install` wrote, with the same --prefix."""
    data = data_folder(user, prefix)
    there = [piece.path(data) for piece in PIECES if piece.path(data).exists()]
    if not there:
        raise NicError(f"nothing of nic's is in {data}")
    for path in there:
        try:
            path.unlink()
        except OSError as error:
            raise CannotWrite(f"cannot remove {path}: {error.strerror}") from error
        say(f"removed {path}")
    if MAGIC.path(data) in there and not any(MAGIC.path(data).parent.iterdir()):
        MAGIC.path(data).parent.rmdir()
    for line in refreshed(data):
        say(line)


@desktop.command(name="open")
@click.argument("file", type=click.Path(path_type=Path))
def open_(file: Path) -> None:
    """Decode a .nic file into the cache folder and open it in the desktop's image viewer."""
    folder = user_cache_path("nic") / "opened"
    make_folder(folder)
    target = folder / f"{file.stem}.png"
    try:
        picture = api.decode_picture(read(file))
    except NicError as error:
        raise type(error)(f"{file}: {error}") from error
    write(target, image_files.encode(picture, "PNG"), replace=True)
    viewer = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if viewer is None:
        raise NicError(f"there is no xdg-open to show {target} with: install xdg-utils")
    subprocess.run([viewer, target], check=False)


def data_folder(user: bool, prefix: Path | None) -> Path:
    """Return the folder with a desktop's data, the user's or share below a prefix; NicError where none is read."""
    if user and prefix:
        raise click.UsageError("--user and --prefix exclude one another")
    if prefix:
        return prefix.absolute() / "share"
    if sys.platform in ("darwin", "win32"):
        raise NicError("desktops of this system read nothing that nic could install; --prefix writes the files anyway")
    given = os.environ.get("XDG_DATA_HOME", "")
    return Path(given) if os.path.isabs(given) else Path.home() / ".local" / "share"


def own_program() -> str:
    """Return the path of the `nic` that runs: desktops start programs without the shell's PATH."""
    beside = Path(sys.executable).with_name("nic")
    found = str(beside) if beside.exists() else shutil.which("nic")
    if found is None:
        raise NicError("there is no program nic beside this Python: pip install nic-core")
    return found


def filled(piece: Piece, program: str) -> str:
    """Return a file's text with the path of `nic`, quoted as the specification of desktop entries asks."""
    lines = []
    for line in piece.text.splitlines(keepends=True):
        command = line.startswith("Exec=")
        lines.append(line.replace("{nic}", quoted(program) if command else program.replace("\\", "\\\\")))
    return "".join(lines)


def quoted(program: str) -> str:
    """Return a program's path as the value of Exec takes it: in quotes where it has more than plain characters."""
    escaped = program.replace("%", "%%")
    if not set(" \t\n\"'\\><~|&;$*?#()`") & set(escaped):
        return escaped
    for character in '\\"`$':
        escaped = escaped.replace(character, f"\\{character}")
    return '"' + escaped.replace("\\", "\\\\") + '"'  # once more, as in every string of such a file


def refreshed(data: Path) -> list[str]:
    """Have the databases of a data folder made anew; return lines about those that cannot be."""
    lines = []
    for program, (folder, package) in DATABASES.items():
        if not (data / folder).is_dir():
            continue
        if shutil.which(program) is None:
            lines.append(f"{program} is not installed ({package}): run it on {data / folder} for this to show")
            continue
        done = subprocess.run([program, data / folder], capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            lines.append(f"{program} failed: {last}")
    return lines
