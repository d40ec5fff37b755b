"""What Linux desktops are told of .nic files, asked of their own programs."""

import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nic_core as nic
import numpy as np
import pytest
from nic_core.cli import run
from nic_core.cli.system import desktop
from nic_core.format.container import MAGIC
from nic_core.pictures.picture import Picture
from nic_core.pillow import MIME
from PIL import Image

NEEDS = {
    "update-mime-database": "shared-mime-info",
    "xdg-mime": "xdg-utils",
    "gio": "libglib2.0-bin",
    "desktop-file-validate": "desktop-file-utils",
    "file": "file",
}


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [f"{name} ({NEEDS[name]})" for name in programs if not shutil.which(name)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def coded(work: Path) -> Path:
    """Return a .nic file of 200 x 100 pixels, whose EXIF turns it by 90 degrees."""
    pixels = np.zeros((100, 200, 3), np.uint16)
    pixels[:, :100, 0] = 65535
    exif = Image.Exif()
    exif[274] = 6
    (work / "photo.nic").write_bytes(nic.encode(Picture(pixels, exif=exif.tobytes().removeprefix(b"Exif\0\0"))))
    return work / "photo.nic"


@pytest.fixture
def data(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install below a prefix, for which the desktop's programs look, and return the data folder."""
    assert run(["desktop", "install", "--prefix", str(work / "usr")]) == 0
    monkeypatch.setenv("XDG_DATA_DIRS", f"{work / 'usr' / 'share'}{os.pathsep}/usr/share")
    monkeypatch.setenv("XDG_DATA_HOME", str(work / "home"))
    return work / "usr" / "share"


def said(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_type_is_that_of_the_format(data: Path) -> None:
    space = {"m": "http://www.freedesktop.org/standards/shared-mime-info"}
    kind = ElementTree.parse(data / "mime/packages/nic.xml").getroot()[0]
    assert kind.get("type") == MIME
    magic = kind.find("m:magic/m:match", space)
    assert magic is not None
    assert magic.get("value", "").encode().decode("unicode_escape").encode("latin-1") == MAGIC
    for piece in desktop.PIECES[1:]:
        assert MIME in piece.path(data).read_text()


@needs("update-mime-database", "gio")
def test_files_have_the_type_by_name_and_by_content(data: Path, coded: Path) -> None:
    shutil.copy(coded, coded.with_name("blob"))
    Path("empty.nic").touch()
    for name in ("photo.nic", "blob"):
        assert said("gio", "info", "-a", "standard::content-type", name).endswith(MIME)


@needs("update-mime-database", "xdg-mime", "gio", "desktop-file-validate")
def test_the_entry_is_valid_and_opens_the_type(data: Path, coded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said("desktop-file-validate", data / "applications/nic.desktop") == ""
    assert said("xdg-mime", "query", "default", MIME) == "nic.desktop"
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "GNOME")
    assert said("xdg-mime", "query", "filetype", str(coded)) == MIME


@needs("file")
def test_file_names_what_it_sees(data: Path, coded: Path) -> None:
    magic = data / "nic" / "nic.magic"
    text = said("file", "-b", "-m", magic, coded)
    assert text == "neurally compressed picture (NIC), version 1, 200 x 100, zip, 16 bits"
    assert said("file", "-b", "--mime-type", "-m", magic, coded) == MIME


def test_what_is_called_is_this_nic(data: Path, coded: Path) -> None:
    lines = dict(line.split("=", 1) for line in (data / "thumbnailers/nic.thumbnailer").read_text().splitlines()[1:])
    assert Path(lines["TryExec"]).is_file()
    command = lines["Exec"].replace("%i", "photo.nic").replace("%o", "small.png").replace("%s", "64").split()
    Path("small.png").touch()  # as file managers make it first
    assert run(command[1:]) == 0
    with Image.open("small.png") as image:
        assert (image.size, image.mode) == ((32, 64), "RGB")  # upright
        assert image.getpixel((16, 10)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("program", "value"),
    [("/usr/bin/nic", "/usr/bin/nic"), ("/a b/n$c", '"/a b/n\\\\$c"'), ("/50%/nic", "/50%%/nic")],
)
def test_paths_in_entries(program: str, value: str) -> None:
    assert desktop.quoted(program) == value
    assert f"Exec={value} desktop open %f\n" in desktop.filled(desktop.ENTRY, program)


def test_install_for_a_user_and_uninstall(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(work / "mine"))
    monkeypatch.setenv("PATH", "/nowhere")  # no databases are made anew then, and said so
    for _ in range(2):
        assert run(["desktop", "install"]) == 0
    there = {str(path.relative_to(work / "mine")) for path in (work / "mine").rglob("*") if path.is_file()}
    assert there == {f"{piece.folder}/{piece.name}" for piece in desktop.PIECES}
    assert run(["desktop", "uninstall"]) == 0
    assert not [path for path in (work / "mine").rglob("*") if path.is_file()]


def test_errors_are_one_line(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["desktop", "uninstall", "--prefix", "none"]) == 1
    assert "nothing of nic's is in" in capsys.readouterr().err
    assert run(["desktop", "install", "--user", "--prefix", "x"]) == 2
    assert run(["desktop", "install", "--prefix", "a.png"]) == 1
    assert len(capsys.readouterr().err.splitlines()) > 1
    Path("bad.nic").write_bytes(b"\x89NIC and nothing else")
    assert run(["thumbnail", "bad.nic", "out.png", "64"]) == 1
    assert capsys.readouterr().err.startswith("nic: bad.nic: ")
    assert not Path("out.png").exists()


def test_open_shows_the_decoded_picture(coded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop, "user_cache_path", lambda _: coded.parent / "cache")
    viewer = coded.parent / "bin" / "xdg-open"
    viewer.parent.mkdir()
    viewer.write_text(f'#!/bin/sh\necho "$1" > {coded.parent}/shown\n')
    viewer.chmod(0o755)
    monkeypatch.setattr(desktop.sys, "platform", "linux")
    monkeypatch.setenv("PATH", f"{viewer.parent}{os.pathsep}{os.environ['PATH']}")
    assert run(["desktop", "open", str(coded)]) == 0
    shown = Path((coded.parent / "shown").read_text().strip())
    assert shown == coded.parent / "cache" / "opened" / "photo.png"
    with Image.open(shown) as image:
        assert image.size == (200, 100)
