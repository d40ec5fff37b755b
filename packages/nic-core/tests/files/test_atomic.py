"""Temporary files: never those of a live process, and none left of one that was killed."""

import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest
from nic_core.errors import CannotWrite
from nic_core.files import temporary
from nic_core.files.atomic import atomic_path, atomic_write, check_writable


def names(folder: Path) -> list[str]:
    """Return the names in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meet every folder as a new process would."""
    monkeypatch.setattr(temporary, "_swept", set())


def write_until_killed(path: Path, ready: object) -> None:
    """Begin to write a file, and die by the hand of the test."""
    with atomic_path(path) as part:
        part.write_bytes(b"half")
        ready.set()
        signal.pause()


@pytest.mark.skipif(sys.platform == "win32", reason="uses signals and fork")
def test_what_a_kill_left_is_removed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=write_until_killed, args=(tmp_path / "a.nic", ready))
    process.start()
    assert ready.wait(20)
    assert [name[-5:] for name in names(tmp_path)] == [".lock", ".part"]
    atomic_write(tmp_path / "b.nic", b"whole")
    assert len(names(tmp_path)) == 3  # the other process is alive
    process.kill()
    process.join()
    assert len(names(tmp_path)) == 3
    temporary._swept.clear()
    atomic_write(tmp_path / "b.nic", b"whole")
    assert names(tmp_path) == ["b.nic"]


def test_ones_own_temporaries_are_alive(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as part:
        part.write_bytes(b"half")
        temporary.sweep(tmp_path)
        assert part.exists()
        part.unlink()
        part.write_bytes(b"another file in its place")
        temporary.sweep(tmp_path)
        assert part.exists()
    assert names(tmp_path) == ["a"]


def test_another_hosts_leftovers_are_given_a_day(tmp_path: Path) -> None:
    left = [tmp_path / f".nic-{'0' * 6}-{digit * 8}" for digit in "12"]
    for path in left:
        path.with_suffix(".part").write_bytes(b"half")
        path.with_suffix(".lock").touch()
    os.utime(left[0].with_suffix(".lock"), (0, 0))
    (tmp_path / ".nic-notes.part").touch()  # of somebody else
    atomic_write(tmp_path / "a", b"")
    assert names(tmp_path) == [f".nic-000000-{'2' * 8}.lock", f".nic-000000-{'2' * 8}.part", ".nic-notes.part", "a"]


def test_a_lock_that_was_swept_at_birth_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, calls = temporary._lock, []

    def late(descriptor: int) -> bool:
        calls.append(descriptor)
        if len(calls) == 1:
            temporary.sweep(tmp_path)  # locks it first, and removes it
        return lock(descriptor)

    monkeypatch.setattr(temporary, "_lock", late)
    atomic_write(tmp_path / "a", b"whole")
    assert names(tmp_path) == ["a"]
    assert len(calls) > 2


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> bool:
        raise OSError("no locks available")

    monkeypatch.setattr(temporary, "_lock", refuse)
    with atomic_path(tmp_path / "a") as part:
        part.write_bytes(b"x")
        temporary.sweep(tmp_path)
        assert part.exists()
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("linkless", [False, True])
def test_a_taken_name_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linkless: bool) -> None:
    if linkless:

        def refuse(*args: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a"
    atomic_write(path, b"first", replace=False)
    with pytest.raises(CannotWrite, match=r"cannot write a in the folder .*: a file of that name is there"):
        atomic_write(path, b"second", replace=False)
    assert path.read_bytes() == b"first"
    atomic_write(path, b"third")
    assert path.read_bytes() == b"third"
    assert names(tmp_path) == ["a"]


def test_what_can_be_written_is_known_before(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    check_writable(tmp_path / "new")
    check_writable(tmp_path / "file")
    for path, says in (
        ("x" * 300, "too long"),
        ("folder", "a folder has that name"),
        ("file/a", "a file, not a folder"),
        ("absent/a", "does not exist"),
    ):
        with pytest.raises(CannotWrite, match=says):
            check_writable(tmp_path / path)
        with pytest.raises(CannotWrite, match=says):
            atomic_write(tmp_path / path, b"")
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_device() -> None:
    check_writable("/dev/full")
    with pytest.raises(CannotWrite, match="cannot write /dev/full: No space left on device"):
        atomic_write("/dev/full", b"x")
