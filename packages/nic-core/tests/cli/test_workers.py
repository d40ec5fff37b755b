"""`--workers`: the same files as by one process, whatever becomes of the workers."""

import logging
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nic_core.cli import run
from nic_core.cli.crew.hand import Bundles
from nic_core.cli.crew.service import Service
from nic_core.cli.jobs import Job
from nic_core.cli.work import Attempt, Done
from nic_core.engines.engine import Wanted
from nic_core.engines.local import LocalEngine, LocalWorker
from nic_core.errors import CannotStart
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as on Unix")

PLUGIN = """
from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec
from nic_core.weights import bundled

api_version = 1

@hookimpl
def nic_codecs():
    yield CodecSpec("slow", "nic_slow.codec:SlowCodec", "Writes down what it does.")

@hookimpl
def nic_weights():
    yield from bundled("nic_slow")
"""
CODEC = '''
import os
import signal
import time
from pathlib import Path

from nic_core.progress import check
from nic_fake.codec import ZipCodec

class SlowCodec(ZipCodec):
    """Writes the width of each picture into a log; dies at one of a width, always or the first time."""

    def compress(self, pixels, quality, options):
        width, log = pixels.shape[1], Path(os.environ["SLOW_LOG"])
        before = log.read_text().split() if log.exists() else []
        with log.open("a") as file:
            file.write(f"{width}\\n")
        dies = os.environ.get("SLOW_DIES", "")
        if dies == str(width) or (dies == f"{width} once" and str(width) not in before):
            os.kill(os.getpid(), signal.SIGKILL)
        for _ in range(int(100 * float(os.environ.get("SLOW_SECONDS", 0)))):
            time.sleep(0.01)
            check()
        return super().compress(pixels, quality, options)
'''


@pytest.fixture
def slow(
    work: Path, install: Callable[..., Path], make_weights: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Install the codec `slow`, and make pictures/ with 8 pictures, 9 to 16 pixels wide; return its log."""
    site = install("nic-slow", {"nic_slow/__init__.py": PLUGIN, "nic_slow/codec.py": CODEC}, "slow = nic_slow")
    make_weights(site / "nic_slow" / "weights" / "any.safetensors", "slow", "any", quality=(1.0, 100.0))
    monkeypatch.setenv("SLOW_LOG", str(work.parent / "log"))
    whole = image_files.read(work / "a.png").whole().pixels
    for width in range(9, 17):
        folder = work / "pictures" / ("even" if width % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        image_files.write(Picture(whole.repeat(2, axis=1)[:, :width]), folder / f"{width}.png")
    return work.parent / "log"


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def done(log: Path) -> Counter[int]:
    """Return how often each picture was begun, by width."""
    return Counter(map(int, log.read_text().split()))


def encode(out: str, *more: str) -> int:
    return run(["encode", "pictures", "-o", out, "--codec", "slow", *more])


def test_workers_make_the_files_of_one_process(slow: Path, work: Path, capsys: pytest.CaptureFixture) -> None:
    (work / "pictures" / "broken.png").write_bytes(b"no picture")
    assert encode("one") == 1
    said = capsys.readouterr().err
    assert encode("two", "--workers", "2") == 1
    out, err = capsys.readouterr()
    assert contents(work / "two") == contents(work / "one")
    assert len(contents(work / "one")) == 8
    assert err == f"nic: 1 failed:\n{said}"
    assert out.startswith("8 files, ") and out.endswith("; 1 failed\n")
    slow.unlink()
    (work / "two" / "odd" / "9.nic").unlink()
    (work / "pictures" / "broken.png").unlink()
    assert encode("two", "--workers", "2", "--skip-existing") == 0
    assert done(slow) == {9: 1}
    assert contents(work / "two") == contents(work / "one")

    assert run(["decode", "one", "-o", "back"]) == 0
    assert run(["decode", "one", "-o", "again", "--workers", "2"]) == 0
    assert contents(work / "again") == contents(work / "back")


def test_a_worker_that_is_killed_costs_nothing(slow: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert encode("one") == 0
    slow.unlink()
    monkeypatch.setenv("SLOW_DIES", "12 once")
    assert encode("two", "--workers", "2") == 0
    assert contents(work / "two") == contents(work / "one")
    assert done(slow) == {width: 2 if width == 12 else 1 for width in range(9, 17)}


def test_a_picture_that_kills_twice_is_named(
    slow: Path, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("SLOW_DIES", "12")
    assert encode("two", "--workers", "2") == 1
    says = "pictures/even/12.png: the worker process died (SIGKILL: killed, out of memory, or crashed in native code)"
    assert capsys.readouterr().err == f"nic: 1 failed:\nnic: {says}, twice\n"
    assert done(slow) == {width: 2 if width == 12 else 1 for width in range(9, 17)}
    assert len(contents(work / "two")) == 7
    monkeypatch.delenv("SLOW_DIES")
    assert encode("two", "--workers", "1", "--skip-existing") == 0
    assert encode("one") == 0
    assert contents(work / "two") == contents(work / "one")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have the engine of this machine be given small pictures in bundles; return how many went in each call."""
    made: list[int] = []
    do = LocalWorker.do

    def counted(self: LocalWorker, task: Any, receive: Any) -> Any:
        made.append(len(task) if isinstance(task, tuple) else 1)
        return do(self, task, receive)

    monkeypatch.setattr(LocalEngine, "bundle", 5.0)
    monkeypatch.setattr(LocalWorker, "do", counted)
    return made


def test_bundles_make_the_files_of_one_process(
    slow: Path, work: Path, calls: list[int], capsys: pytest.CaptureFixture
) -> None:
    (work / "pictures" / "a.png").write_bytes(b"no picture")
    assert encode("one") == 1
    said = capsys.readouterr().err
    slow.unlink()
    assert encode("two", "--workers", "1", "-v") == 1
    out, err = capsys.readouterr()
    assert contents(work / "two") == contents(work / "one")
    assert done(slow) == dict.fromkeys(range(9, 17), 1)
    assert err.endswith(f"nic: 1 failed:\n{said}")
    shown = [line for line in (out + err).splitlines() if " -> " in line]
    assert sorted(line.partition(":")[0] for line in shown) == sorted(
        f"pictures/{part}/{width}.png -> two/{part}/{width}.nic"
        for width in range(9, 17)
        for part in (("odd", "even")[width % 2 == 0],)
    )
    assert out.splitlines()[-1].startswith("8 files, ")
    assert calls[0] == 1 and max(calls) > 1 and sum(calls) == 9


@pytest.mark.parametrize("how", ["16 once", "16"])
def test_a_worker_that_is_killed_in_a_bundle_loses_nothing(
    how: str, slow: Path, work: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert encode("one") == 0
    slow.unlink()
    capsys.readouterr()
    monkeypatch.setenv("SLOW_DIES", how)
    assert encode("two", "--workers", "1") == (how == "16")
    out, err = capsys.readouterr()
    expected = contents(work / "one")
    if how == "16":
        del expected["even/16.nic"]
        assert err.startswith("nic: 1 failed:\nnic: pictures/even/16.png: the worker process died (SIGKILL")
        assert err.endswith(", twice\n")
    assert contents(work / "two") == expected
    assert out.startswith(f"{len(expected)} files, ")
    counts = done(slow)
    assert counts[16] == (2 if how == "16 once" else 3)  # in company it is not known whose fault it was
    assert set(counts) == set(range(9, 17)) and max(counts.values()) <= 3
    assert max(calls) > 1


def test_a_bundle_ends_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("nic")
    for name in ("handlers", "level", "propagate"):  # a worker's process sets them
        monkeypatch.setattr(logger, name, copy(getattr(logger, name)))
    jobs = [Job(Path(name), Path(name)) for name in "abc"]
    link = SimpleNamespace(send=lambda *_: None, check=lambda: None)

    class Here:
        def do(self, task: Any, receive: Any) -> Any:
            return Service(lambda: lambda job, say: Done(1, 1), logging.INFO, bundle=0.0)()(task, link)

    shown: list[Job] = []

    @contextmanager
    def attempt(job: Job) -> Iterator[Attempt]:
        at = Attempt(lambda stage: None)
        yield at
        if at.done:
            shown.append(job)

    assert Bundles(Here(), 1.0)(jobs, attempt) == jobs[1:]  # type: ignore[arg-type]
    assert shown == jobs[:1]


def test_notes_in_a_bundle_name_their_pictures(
    slow: Path, work: Path, calls: list[int], capsys: pytest.CaptureFixture
) -> None:
    assert run(["encode", "pictures", "-o", "b", "--codec", "zip", "--text", "so", "--workers", "1"]) == 0
    assert sorted(capsys.readouterr().err.split("\n")) == sorted(
        ["", *(f"{width}.png: it says so" for width in range(9, 17))]
    )
    assert max(calls) > 1


def make_shard(path: Path, pictures: Path) -> None:
    """Write a tar file of pictures, each with a text beside it."""
    with tarfile.open(path, "w") as tar:
        for source in sorted(pictures.rglob("*.png")):
            tar.add(source, f"x/{source.name}")
            entry = tarfile.TarInfo(f"x/{source.stem}.txt")
            entry.size = 3
            tar.addfile(entry, BytesIO(b"abc"))


def test_shards(slow: Path, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    encode("one")
    (work / "shards").mkdir()
    make_shard(work / "shards" / "0.tar", work / "pictures" / "odd")
    make_shard(work / "shards" / "1.tar", work / "pictures" / "even")
    slow.unlink()
    monkeypatch.setenv("SLOW_DIES", "12")
    shards = ["encode", "shards", "--shards", "tar", "--codec", "slow", "--workers", "2"]
    capsys.readouterr()
    assert run([*shards, "-o", "two"]) == 1
    says = "nic: 1 failed:\nnic: shards/1.tar/x/12.png: a worker process died at it twice\n"
    out, err = capsys.readouterr()
    assert err == says
    assert out.startswith("7 files, ") and out.endswith("; 1 failed\n")
    assert done(slow)[12] == 3  # the first time it does not surely tell where it is
    with tarfile.open(work / "two" / "1.tar") as tar:
        expected = [f"x/{width}.{end}" for width in (10, 12, 14, 16) for end in ("nic", "txt")]
        assert tar.getnames() == [name for name in expected if name != "x/12.nic"]
        assert tar.extractfile("x/16.nic").read() == (work / "one" / "even" / "16.nic").read_bytes()
        assert tar.extractfile("x/12.txt").read() == b"abc"

    monkeypatch.delenv("SLOW_DIES")
    assert run([*shards, "-o", "two", "--skip-existing"]) == 0  # shards that are there are whole
    assert run([*shards, "-o", "two", "--overwrite"]) == 0
    assert run(["encode", "shards/1.tar", "-o", "three.tar", "--codec", "slow"]) == 0
    assert (work / "three.tar").read_bytes() == (work / "two" / "1.tar").read_bytes()

    assert run(["encode", "shards", "--shards", "folder", "--codec", "slow", "-o", "four"]) == 0
    found = contents(work / "four")
    assert len(found) == 16 and found["1/x/16.nic"] == (work / "one" / "even" / "16.nic").read_bytes()
    (work / "four" / "0" / "x" / "9.nic").unlink()
    slow.unlink()
    assert run(["encode", "shards", "--shards", "folder", "--codec", "slow", "-o", "four", "--skip-existing"]) == 0
    assert done(slow) == {9: 1} and contents(work / "four") == found

    assert run(["decode", "two/1.tar", "-o", "back.tar"]) == 0
    with tarfile.open(work / "back.tar") as tar:
        assert tar.getnames()[:2] == ["x/10.png", "x/10.txt"]


def test_shards_that_are_none(slow: Path, work: Path, capsys: pytest.CaptureFixture) -> None:
    make_shard(work / "whole.tar", work / "pictures" / "odd")
    data = (work / "whole.tar").read_bytes()
    (work / "cut.tar").write_bytes(data[:1700])
    (work / "other.tar").write_bytes(b"no tar file at all")
    with tarfile.open(work / "texts.tar", "w"):
        pass
    for name in ("cut.tar", "other.tar", "texts.tar", "absent.tar"):
        assert run(["encode", name, "-o", "out.tar", "--codec", "slow"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("nic: cut.tar: no whole tar file")
    assert lines[1].startswith("nic: other.tar: no whole tar file")
    assert lines[2] == "nic: texts.tar: no pictures in this tar file"
    assert lines[3].startswith("nic: cannot read absent.tar")
    assert not list(work.glob("out*")) and not list(work.glob(".nic-*"))
    with tarfile.open(work / "out.tar", "w") as tar:
        for name in ("../up.png", "a.png", "a.png", "a.jpg"):
            tar.add(work / "a.png", name)
    assert run(["encode", "out.tar", "-o", "in/", "--shards", "folder", "--codec", "slow"]) == 1
    assert sorted(contents(work / "in")) == ["out/a.jpg.nic", "out/a.nic", "out/a.png.nic"]
    assert "'../up.nic' leads out of the folder in/out" in capsys.readouterr().err


def test_ctrl_c_ends_all_workers_and_the_next_run_goes_on(
    slow: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode("one")
    slow.unlink()
    command = [sys.executable, "-m", "nic_core", "encode", "pictures", "-o", "two", "--codec", "slow", "--workers", "2"]
    monkeypatch.setenv("SLOW_SECONDS", "1")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not (slow.exists() and len(slow.read_text().split()) > 2):
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    begin = time.monotonic()
    told = process.communicate()[1]
    assert time.monotonic() - begin < 10  # about one where the machine has nothing else to do
    assert process.returncode == 130
    assert " ".join(told.split()).endswith(" of 8 files were done; --skip-existing does the rest nic: interrupted")
    with pytest.raises(ProcessLookupError):  # nobody is left of its group
        for _ in range(100):
            os.killpg(process.pid, 0)
            time.sleep(0.1)
    made = contents(work / "two")
    assert made.items() < contents(work / "one").items()
    monkeypatch.setenv("SLOW_SECONDS", "0")
    slow.unlink()
    assert encode("two", "--workers", "2", "--skip-existing") == 0
    assert contents(work / "two") == contents(work / "one")
    assert done(slow).total() == 8 - len(made)


def test_workers_say_what_one_process_says(
    slow: Path, work: Path, capsys: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(["encode", "pictures", "-o", "b", "--codec", "zip-rate", "-q", "37", "--workers", "2"]) == 0
    assert set(caplog.messages) == {"quality 20 taken, the nearest to 37 that zip-rate has"}
    capsys.readouterr()
    assert run(["encode", "a.png", "-o", "c.nic", "--target-size", "1"]) == 1
    said = capsys.readouterr().err
    assert run(["encode", "a.png", "-o", "c.nic", "--target-size", "1", "--workers", "1"]) == 1
    assert said in capsys.readouterr().err
    assert run(["encode", "a.png", "-o", "c.nic", "--text", "so", "--workers", "1"]) == 0
    assert capsys.readouterr().err == "a.png: it says so\n"


def test_what_workers_cannot_do(slow: Path, work: Path, capsys: pytest.CaptureFixture) -> None:
    cases = {
        ("--workers", "2", "-j", "2"): (2, "--jobs is for threads of one process"),
        ("--address", "x:1"): (2, "--address and --threads are for workers"),
        ("--workers", "2", "--address", "x:1"): (1, "nic: the engine local runs on this machine and takes no address"),
        ("--engine", "nowhere"): (1, "nic: no installed package brings the engine 'nowhere'; installed: local\n"),
        ("--engine", "ray"): (1, "nic: the engine 'ray' is not installed: pip install nic-ray; installed: local\n"),
        ("--workers", "2", "--codec", "nowhere"): (1, "nic: no installed package brings the codec 'nowhere'"),
    }
    for flags, (code, says) in cases.items():
        assert encode("out", *flags) == code
        assert says in capsys.readouterr().err
    assert run(["encode", "a.png", "-o", "-", "--workers", "2"]) in (1, 2)
    assert not (work / "out").exists()


def test_a_worker_that_cannot_start_ends_the_run() -> None:
    engine = LocalEngine(Wanted(workers=1))
    worker = engine.worker(partial(int, "no number"))  # type: ignore[arg-type]
    with pytest.raises(CannotStart, match=r"a worker cannot start: invalid literal.*'no number'"):
        worker.do(None, print)
    engine.close()
    assert worker.pid is None


@pytest.mark.parametrize(
    ("wanted", "environment", "expected"),
    [
        (Wanted(workers=1), {}, [{}]),
        (Wanted(workers=2), {}, [{"OMP_NUM_THREADS": "3"}] * 2),
        (Wanted(workers=2), {"OMP_NUM_THREADS": "2"}, [{"OMP_NUM_THREADS": "2"}] * 2),
        (Wanted(workers=1, threads=5), {"OMP_NUM_THREADS": "2"}, [{"OMP_NUM_THREADS": "5"}]),
        (Wanted(threads=3), {}, [{"OMP_NUM_THREADS": "3"}] * 2),
        (Wanted(device="cpu"), {"CUDA_VISIBLE_DEVICES": "4,7"}, [{"OMP_NUM_THREADS": "1"}] * 6),
        (
            Wanted(),
            {"CUDA_VISIBLE_DEVICES": "4,7"},
            [{"OMP_NUM_THREADS": "3", "CUDA_VISIBLE_DEVICES": gpu} for gpu in "47"],
        ),
    ],
)
def test_cores_and_gpus_are_shared_out(
    wanted: Wanted, environment: dict[str, str], expected: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("nic_core.engines.local.cores", lambda: 6)
    monkeypatch.setattr("nic_core.engines.local.GPUS", Path("nowhere"))
    engine = LocalEngine(wanted)
    made = [engine.worker(partial(int), beside=beside) for beside in (False, True) for _ in range(engine.slots)]  # type: ignore[arg-type]
    assert [worker._environment for worker in made] == expected * 2


def test_workers_read_and_write_urls(slow: Path, work: Path) -> None:
    pytest.importorskip("fsspec")
    encode("one")
    flags = ["--codec", "slow", "--workers", "2"]
    assert run(["encode", "local://pictures", "-o", "local://two/", *flags]) == 0  # below the current folder
    assert contents(work / "two") == contents(work / "one")
    make_shard(work / "odd.tar", work / "pictures" / "odd")
    assert run(["encode", "local://odd.tar", "-o", "local://out.tar", "--codec", "slow"]) == 0
    assert run(["encode", "local://odd.tar", "-o", "local://out/", "--shards", "folder", *flags]) == 0
    with tarfile.open(work / "out.tar") as tar:
        whole = {entry.name: tar.extractfile(entry).read() for entry in tar}
    assert contents(work / "out" / "odd") == whole and whole["x/9.nic"] == (work / "one" / "odd" / "9.nic").read_bytes()
