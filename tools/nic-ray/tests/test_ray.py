"""`--engine ray` on two nodes: the same files as by one process, whatever becomes of workers and nodes."""

import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nic_core.cli import run
from PIL import Image

pytest.importorskip("ray")

WIDTHS = range(9, 17)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def done(site: Path) -> Counter[int]:
    """Return how often each picture was begun, by width."""
    return Counter(int(line.split()[0]) for line in (site / "log").read_text().splitlines())


def raylets(site: Path) -> set[str]:
    """Return the nodes that have worked, by the numbers of their raylets' processes."""
    return {line.split()[2] for line in (site / "log").read_text().splitlines()}


def one_process(site: Path, out: str = "one") -> dict[str, bytes]:
    """Encode by this process; return what it makes."""
    assert run(["encode", "pictures", "-o", out, "--codec", "slow"]) == 0
    (site / "log").unlink()
    return contents(Path(out))


def flags(address: str, out: str = "two") -> list[str]:
    return ["encode", "pictures", "-o", out, "--codec", "slow", "--engine", "ray", "--address", address]


def test_two_nodes_make_the_files_of_one_process(
    two_nodes: Callable[[], str], site: Path, work: Path, capsys: pytest.CaptureFixture
) -> None:
    expected = one_process(site)
    (site / "log.how").write_text("0.3 12 once")
    capsys.readouterr()
    assert run(flags(two_nodes())) == 0
    assert contents(work / "two") == expected
    assert done(site) == {width: 2 if width == 12 else 1 for width in WIDTHS}  # the worker was killed there
    assert len(raylets(site)) == 2
    assert capsys.readouterr().out.startswith("8 files, ")


def test_small_pictures_go_in_bundles_and_none_is_lost(
    two_nodes: Callable[[], str],
    site: Path,
    work: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nic_ray.engine import RayWorker

    widths = range(17, 77)
    for width in widths:
        image = Image.fromarray(np.full((5, width, 3), width, np.uint8))
        image.save(work / "pictures" / f"{width}.png")
    expected = one_process(site)
    (work / "pictures" / "50.txt.png").write_bytes(b"no picture")
    (site / "log.how").write_text("0.01 60 once")
    calls, do = [], RayWorker.do

    def counted(self: RayWorker, task: Any, receive: Any) -> Any:
        calls.append(len(task) if isinstance(task, tuple) else 1)
        return do(self, task, receive)

    monkeypatch.setattr(RayWorker, "do", counted)
    capsys.readouterr()
    assert run(flags(two_nodes())) == 1
    assert contents(work / "two") == expected and len(expected) == 68
    out, err = capsys.readouterr()
    assert out.startswith("68 files, ") and out.endswith("; 1 failed\n")
    assert err.startswith("nic: 1 failed:\nnic: pictures/50.txt.png: ") and err.count("\n") == 2
    counts = done(site)
    assert set(counts) == {*WIDTHS, *widths} and counts[60] == 2 and max(counts.values()) == 2
    assert max(calls) > 4 and calls[0] == 1


@pytest.mark.long
def test_a_picture_that_kills_twice_is_named_and_the_next_run_completes(
    two_nodes: Callable[[], str], site: Path, work: Path, capsys: pytest.CaptureFixture
) -> None:
    expected = one_process(site)
    (work / "pictures" / "broken.png").write_bytes(b"no picture")
    (site / "log.how").write_text("0 12")
    capsys.readouterr()
    assert run(flags(two_nodes())) == 1
    out, err = capsys.readouterr()
    head, *failures = err.splitlines()
    assert head == "nic: 2 failed:"
    assert {line.split(": ")[1] for line in failures} == {"pictures/broken.png", "pictures/even/12.png"}
    assert any(line.endswith(", twice") and "the worker process died" in line for line in failures)
    assert out.startswith("7 files, ") and out.endswith("; 2 failed\n")
    (work / "pictures" / "broken.png").unlink()
    (site / "log.how").write_text("0")
    (site / "log").unlink()
    assert run([*flags(two_nodes()), "--skip-existing"]) == 0
    assert done(site) == {12: 1}
    assert contents(work / "two") == expected


@pytest.mark.long
def test_a_node_that_is_lost_costs_nothing(two_nodes: Callable[[], str], site: Path, work: Path) -> None:
    expected = one_process(site)
    (site / "log.how").write_text("1.5")
    address = two_nodes()

    def lose() -> None:
        while not ((site / "log").exists() and len(raylets(site)) == 2):
            time.sleep(0.05)
        two_nodes.lose()  # type: ignore[attr-defined]

    thread = threading.Thread(target=lose)
    thread.start()
    assert run(flags(address)) == 0
    thread.join()
    assert contents(work / "two") == expected
    counts = done(site)
    assert set(counts) == set(WIDTHS) and counts.total() == 9  # what the lost node was at was done twice


@pytest.mark.long
def test_shards(two_nodes: Callable[[], str], site: Path, work: Path, capsys: pytest.CaptureFixture) -> None:
    (work / "shards").mkdir()
    for part in ("even", "odd"):
        with tarfile.open(work / "shards" / f"{part}.tar", "w") as tar:
            for source in sorted((work / "pictures" / part).iterdir()):
                tar.add(source, source.name)
    arguments = ["encode", "shards", "--shards", "tar", "--codec", "slow"]
    assert run([*arguments, "-o", "one"]) == 0
    cluster = ["--engine", "ray", "--address", two_nodes()]
    assert run([*arguments, "-o", "two", *cluster]) == 0
    assert contents(work / "two") == contents(work / "one")
    (site / "log.how").write_text("0.1 12")
    capsys.readouterr()
    assert run([*arguments, "-o", "three", *cluster]) == 1
    assert capsys.readouterr().err == "nic: 1 failed:\nnic: shards/even.tar/12.png: a worker process died at it twice\n"
    with tarfile.open(work / "three" / "even.tar") as tar:
        assert tar.getnames() == ["10.nic", "14.nic", "16.nic"]


@pytest.mark.long
def test_ctrl_c_ends_the_run_and_the_next_completes(two_nodes: Callable[[], str], site: Path, work: Path) -> None:
    expected = one_process(site)
    (site / "log.how").write_text("2")
    command = [sys.executable, "-m", "nic_core", *flags(two_nodes())]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not ((site / "log").exists() and done(site).total() > 2):
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    told = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert told.split()[-2:] == ["nic:", "interrupted"]
    made = contents(work / "two")
    assert made.items() < expected.items()  # nothing half-written, no temporary file
    begun = done(site).total()
    time.sleep(3)
    assert done(site).total() == begun and contents(work / "two") == made  # nobody works on
    (site / "log.how").write_text("0")
    (site / "log").unlink()
    assert run([*flags(two_nodes()), "--skip-existing"]) == 0
    assert contents(work / "two") == expected
    assert done(site).total() == 8 - len(made)


@pytest.mark.long
def test_eval_measures_the_same(two_nodes: Callable[[], str], site: Path, work: Path) -> None:
    results = pytest.importorskip("nic_eval.results")
    arguments = ["eval", "--data", "pictures/odd", "--codec", "slow", "--qualities", "50", "--metrics", "psnr"]
    assert run([*arguments, "--out", "one"]) == 0
    assert run([*arguments, "--out", "two", "--engine", "ray", "--address", two_nodes()]) == 0
    both = [results.read(work / name / "results.json").curves[0].points[0] for name in ("one", "two")]
    shown = [[(item.picture, item.bytes, item.metrics) for item in point.measurements] for point in both]
    assert shown[0] == shown[1] and len(shown[0]) == 4


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", "nic: no Ray cluster answers at 127.0.0.1:1: "),
        ("nowhere", "nic: the address is auto or HOST:PORT, such as head:6379, not 'nowhere'"),
        ("ray://head:10001", "nic: the address is auto or HOST:PORT, such as head:6379, not 'ray://head:10001'"),
    ],
)
def test_no_cluster(site: Path, work: Path, capsys: pytest.CaptureFixture, address: str, says: str) -> None:
    assert run(flags(address)) == 1
    err = capsys.readouterr().err
    assert err.startswith(says) and err.count("\n") == 1
    assert not (work / "two").exists()


def test_room_for_workers() -> None:
    from nic_ray.engine import _places, _threads

    nodes = [{"CPU": 16.0, "GPU": 4.0}, {"CPU": 9.0}, {"CPU": 8.0, "GPU": 1.0}]
    assert (_threads(nodes, False), _threads(nodes, True)) == (1, 4)
    assert (_places(nodes, 1, False), _places(nodes, 4, False)) == (33, 8)
    assert _places(nodes, 4, True) == 5
    assert _places(nodes, 8, True) == 3
