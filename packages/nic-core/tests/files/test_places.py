"""Files at URLs: read, written whole or not at all, and walked, by fsspec, which is imported for them only."""

import secrets
import subprocess
import sys
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import fsspec
import nic_core as nic
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from nic_core.errors import BadPicture, CannotRead, CannotWrite
from nic_core.files import places
from nic_core.files.atomic import atomic_write, check_writable
from nic_core.files.places import Url, place_of
from nic_core.pictures import image_files

PIXELS = np.random.default_rng(5).integers(0, 256, (20, 30, 3), np.uint8)


class Disk(MemoryFileSystem):
    """A store where what is half written is there to see."""

    protocol = "disk"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(str(path).removeprefix("disk://"))


fsspec.register_implementation("disk", Disk, clobber=True)


@pytest.fixture
def at() -> str:
    """Return a folder in memory that no other test has."""
    return f"memory://{secrets.token_hex(6)}"


def there(url: str) -> list[str]:
    """Return the names of the files below a URL."""
    system, path = fsspec.core.url_to_fs(url)
    return sorted(str(PurePosixPath(found).relative_to(path)) for found in system.find(path))


def test_urls_have_the_arithmetic_of_paths() -> None:
    url = place_of("s3://bucket/a/b.tar.png")
    assert isinstance(url, Url)
    assert (url.name, url.stem, url.suffix) == ("b.tar.png", "b.tar", ".png")
    assert str(url.with_name("c.nic")) == "s3://bucket/a/c.nic"
    assert str(url.parent) == "s3://bucket/a"
    assert str(url.parent / PurePosixPath("d/e")) == "s3://bucket/a/d/e"
    assert Path("out") / url.relative_to(Url("s3://bucket")) == Path("out/a/b.tar.png")


@pytest.mark.parametrize("text", ["a.png", "/a/b.png", "C://a.png", "./s3:/a", "-", "a:b"])
def test_paths_stay_paths(text: str) -> None:
    assert place_of(text) == Path(text)
    assert not places.is_url(text)


def test_file_urls_are_paths(tmp_path: Path) -> None:
    image_files.write(nic.Picture.of(PIXELS), f"file://{tmp_path}/a b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a b.png"]
    assert np.array_equal(image_files.read(f"file://{tmp_path}/a%20b.png").pixels, PIXELS)
    assert place_of(f"file://{tmp_path}/a%20b.png") == tmp_path / "a b.png"


def test_pictures_and_nic_files_at_urls(fake: ModuleType, at: str) -> None:
    image_files.write(nic.Picture.of(PIXELS), f"{at}/a.png")
    atomic_write(f"{at}/deep/er/a.nic", nic.encode(f"{at}/a.png", 100))
    assert nic.inspect(f"{at}/deep/er/a.nic").width == 30
    assert np.array_equal(nic.decode_picture(f"{at}/deep/er/a.nic").pixels, PIXELS)
    assert there(at) == ["a.png", "deep/er/a.nic"]


def test_a_large_picture_at_a_url_is_read_in_rows(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "LARGE", 100)
    image_files.write(nic.Picture.of(PIXELS), f"{at}/a.png")
    rows = image_files.open_rows(f"{at}/a.png")
    assert not isinstance(rows, nic.Picture)
    assert np.array_equal(rows.whole().pixels, PIXELS)


def test_what_is_not_there(fake: ModuleType, at: str) -> None:
    with pytest.raises(CannotRead, match=rf"cannot read {at}/a\.nic"):
        nic.inspect(f"{at}/a.nic")
    with pytest.raises(BadPicture, match=rf"{at}/a\.png: no such file"):
        nic.encode(f"{at}/a.png")
    with pytest.raises(CannotRead, match="Protocol not known: nowhere"):
        nic.inspect("nowhere://a.nic")


def test_nothing_is_replaced_unasked(at: str) -> None:
    atomic_write(f"{at}/a", b"old")
    with pytest.raises(CannotWrite, match=rf"cannot write {at}/a: a file of that name is there"):
        atomic_write(f"{at}/a", b"new", replace=False)
    assert places.read_bytes(f"{at}/a") == b"old"
    atomic_write(f"{at}/a", b"new")
    assert places.read_bytes(f"{at}/a") == b"new"
    with pytest.raises(CannotWrite, match="a folder has that name"):
        check_writable(at)


def test_an_upload_that_fails_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"disk://{secrets.token_hex(6)}/a"
    places.make_folder(url.rpartition("/")[0])
    atomic_write(url, b"old")

    def half(self: Disk, lpath: str, rpath: str, **settings: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes()[:2])
        raise ConnectionError("the line is cut")

    monkeypatch.setattr(Disk, "put_file", half)
    with pytest.raises(CannotWrite, match="the line is cut"):
        atomic_write(url, b"new one")
    assert places.read_bytes(url) == b"old"
    assert there(url.rpartition("/")[0]) == ["a"]


def test_what_a_service_raises_is_one_error(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCredentials(Exception):
        pass

    def refuse(*_: object, **settings: object) -> None:
        raise NoCredentials("no key was found")

    monkeypatch.setattr(MemoryFileSystem, "cat_file", refuse)
    monkeypatch.setattr(MemoryFileSystem, "put_file", refuse)
    with pytest.raises(CannotRead, match="NoCredentials: no key was found"):
        nic.inspect(f"{at}/a.nic")
    with pytest.raises(CannotWrite, match="NoCredentials: no key was found"):
        atomic_write(f"{at}/a.nic", b"")


def test_walking_passes_over_what_is_taken_out(at: str) -> None:
    for name in ("a", "b/c", "b/d/e", "f/g"):
        atomic_write(f"{at}/{name}", b"")
    found = []
    for place, folders, names in places.walk(Url(at)):
        folders[:] = sorted(set(folders) - {"f"})
        found += [str(place / name) for name in sorted(names)]
    assert found == [f"{at}/a", f"{at}/b/c", f"{at}/b/d/e"]


MISSING = """
import sys
sys.modules["fsspec"] = None
from nic_core.cli import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("arguments", [["encode", "memory://a.png"], ["info", "memory://a.nic"]])
def test_without_fsspec_one_line_says_what_to_install(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", MISSING, *arguments], capture_output=True, text=True)
    place = arguments[-1]
    assert done.stderr == f"nic: {place} is read and written by fsspec: pip install 'nic-core[fsspec]'\n"
    assert done.returncode == 1


def test_paths_import_no_fsspec(tmp_path: Path) -> None:
    script = f"""
import sys
import nic_core as nic
from nic_core.cli import run
from nic_core.pictures import image_files
import numpy as np
image_files.write(nic.Picture.of(np.zeros((4, 4), np.uint8)), "file://{tmp_path}/a.png")
assert image_files.read({str(tmp_path / "a.png")!r}).width == 4
run(["info", {str(tmp_path)!r}])
sys.exit("fsspec" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
