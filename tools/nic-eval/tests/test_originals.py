"""Pictures that are measured from shards and URLs."""

import io
import secrets
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from nic_core.cli import run
from nic_core.errors import NicError
from nic_core.files.places import Url
from nic_eval.measuring import originals
from nic_eval.results import Results, read


@pytest.fixture
def measure(zip_codec: Path, here: Any, tmp_path: Path) -> Callable[..., Results]:
    """Return a function that runs `nic eval` on what a place holds, into one report, and returns what it found."""

    def start(data: object, code: int = 0) -> Results:
        out = tmp_path / "report"
        command = ["eval", "--data", str(data), "--codec", "zip-free", "--qualities", "50", "--metrics", "psnr"]
        assert run([*command, "--out", str(out), "--device", "cpu"]) == code
        return read(out / "results.json")

    return start


def names(found: Results) -> list[str]:
    return [picture.name for picture in found.pictures]


def shard(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def test_a_shard_gives_what_its_folder_gives(
    measure: Callable[..., Results], here: Any, pictures: Path, tmp_path: Path
) -> None:
    files = {path.relative_to(pictures).as_posix(): path.read_bytes() for path in sorted(pictures.rglob("*.png"))}
    path = shard(tmp_path / "set.tar", {**files, "a.json": b"{}"})
    found = measure(path)
    assert names(found) == ["a.png", "b.png", "sub/c.png"] and found.data == "set.tar"
    here.calls.clear()
    again = measure(path)
    assert again == found and not here.calls["code"]
    shutil.rmtree(tmp_path / "report" / "originals")  # what was brought may go
    assert measure(path) == found
    shutil.rmtree(tmp_path / "report")
    assert measure(pictures).curves[0].points[0].metrics == found.curves[0].points[0].metrics
    assert not (tmp_path / "report" / "originals").exists()


def test_a_shard_that_changed_is_unpacked_again(
    measure: Callable[..., Results], pictures: Path, tmp_path: Path
) -> None:
    first, second = ((pictures / name).read_bytes() for name in ("a.png", "b.png"))
    shard(tmp_path / "set.tar", {"one.png": first})
    assert names(measure(tmp_path / "set.tar")) == ["one.png"]
    shard(tmp_path / "set.tar", {"one.png": second, "two.png": second})
    found = measure(tmp_path / "set.tar")
    assert names(found) == ["one.png", "two.png"] and found.pictures[0].width == 41


def test_a_folder_of_shards(
    measure: Callable[..., Results], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shards"
    data = (pictures / "a.png").read_bytes()
    shard(folder / "0.tar", {"x.png": data, "y.png": data})
    whole = shard(folder / "deep" / "1.tar", {"x.png": data}).read_bytes()
    assert names(measure(folder)) == ["0.tar/x.png", "0.tar/y.png", "deep/1.tar/x.png"]
    capsys.readouterr()
    (folder / "deep" / "1.tar").write_bytes(whole[:700])
    found = measure(folder, code=1)
    assert names(found) == ["0.tar/x.png", "0.tar/y.png"]
    assert "skipped: " in capsys.readouterr().err
    # Pictures that lie in a folder are what is measured there; an archive beside them is none of them.
    (folder / "z.png").write_bytes(data)
    assert names(measure(folder)) == ["z.png"]


def test_pictures_and_shards_at_urls(
    measure: Callable[..., Results], here: Any, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = f"memory://{secrets.token_hex(6)}"
    system, path = fsspec.core.url_to_fs(root)
    for name in ("a.png", "sub/c.png"):
        system.pipe_file(f"{path}/{name}", (pictures / name).read_bytes())
    system.pipe_file(f"{path}/notes.txt", b"none")
    system.pipe_file(f"{path}/.hidden/d.png", b"none")
    found = measure(root)
    assert names(found) == ["a.png", "sub/c.png"]
    here.calls.clear()
    system.pipe_file(f"{path}/b.png", (pictures / "b.png").read_bytes())
    assert names(measure(root)) == ["a.png", "b.png", "sub/c.png"]
    assert here.calls["code"] == 1

    tar = shard(tmp_path / "set.tar", {"a.png": (pictures / "a.png").read_bytes()})
    system.pipe_file(f"{path}/deep/set.tar", tar.read_bytes())
    assert names(measure(f"{root}/deep/set.tar")) == ["a.png"]
    assert names(measure(f"{root}/deep")) == ["set.tar/a.png"]

    capsys.readouterr()
    for place, says in (
        (f"{root}/absent", "is no folder and no .tar file"),
        (f"{root}/absent.tar", f"cannot read {root}/absent.tar: "),
        (f"{root}/.hidden", "d.png"),
    ):
        out = tmp_path / "other"
        assert run(["eval", "--data", place, "--baseline", "jpeg", "--out", str(out)]) == 1
        told = capsys.readouterr().err
        assert says in told and told.count("\n") == 1, told


def test_names_do_not_lead_out(pictures: Path, measure: Callable[..., Results], tmp_path: Path) -> None:
    data = (pictures / "a.png").read_bytes()
    path = shard(tmp_path / "set.tar", {"../../../evil.png": data, "a.png": data})
    with pytest.raises(AssertionError):
        measure(path)
    assert not list(tmp_path.rglob("evil.png"))


def test_what_is_not_there(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent", Url(f"memory://{secrets.token_hex(6)}")):
        with pytest.raises(NicError, match=str(place)):
            originals.find(place, tmp_path / "report")
    assert not (tmp_path / "report").exists()
