"""What the command line says, and how: lines, tables, JSON, several files at once, interrupts."""

import _thread
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from nic_core import progress
from nic_core.cli import output, run
from nic_core.host.cache import cache
from nic_core.printable import printable


def names(folder: Path) -> list[str]:
    """Return the names of all files below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a photo é 写真.png", "a photo é 写真.png"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\nb\r\t", r"a\nb\r\t"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        (os.fsdecode(b"\xff.png") if os.name != "nt" else "\udcff.png", r"\xff.png"),
        ("\ud800", r"\ud800"),
        ("\x9b31m\u2028", r"\x9b31m\u2028"),
    ],
)
def test_text_is_harmless(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).isprintable()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of any bytes are Linux's")
def test_names_of_any_bytes(work: Path, capsys: pytest.CaptureFixture) -> None:
    bad, red = os.fsdecode(b"\xff.png"), "\x1b[31m:smile:[b].png"
    (work / "a.png").rename(red)
    (work / "b.jpg").write_bytes(b"")
    (work / "b.jpg").rename(bad)
    os.link("sub/c.png", os.fsdecode(b"\xfe.png"))
    assert run(["encode", ".", "-o", "out", "-v", "--text", "x\x1b[0m"]) == 1
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert r"nic: \xff.png: the file is empty" in err.splitlines()
    assert r"\x1b[31m:smile:[b].png: it says x\x1b[0m" in err.splitlines()
    assert re.search(r"^\\xfe.png -> out/\\xfe.nic: \d+ bytes, .* bpp, [\d.]+ s$", err, re.MULTILINE)
    assert len(names(work / "out")) == 4
    assert run(["info", "out"]) == 0
    assert r"file          out/\xfe.nic" in capsys.readouterr().out
    assert run(["info", "--json", "out"]) == 0
    assert "out/\udcfe.nic" in {fact["file"] for fact in json.loads(capsys.readouterr().out)}
    for arguments in (["encode", "\x1b[31m"], ["\x1b[31m"], ["encode", "a", "--codec", "\x1b[31m"], ["decode", bad]):
        assert run(arguments) in (1, 2)
        assert "\x1b" not in capsys.readouterr().err


def test_quiet_and_verbose_stand_before_and_after_the_verb(work: Path, capsys: pytest.CaptureFixture) -> None:
    for number, arguments in enumerate((["--quiet", "encode", "a.png"], ["encode", "a.png", "--quiet"])):
        assert run([*arguments, "--text", "x", "-o", f"{number}.nic"]) == 0
        assert capsys.readouterr() == ("", "")
    assert run(["encode", "absent.png", "--quiet"]) == 1
    assert capsys.readouterr().err == "nic: absent.png: no such file\n"
    for number, arguments in enumerate((["-v", "encode", "a.png"], ["encode", "a.png", "--verbose"])):
        assert run([*arguments, "-o", f"v{number}.nic"]) == 0
        size = (work / "v0.nic").stat().st_size
        line = rf"a\.png -> v{number}\.nic: {size} bytes, {8 * size / 54:.3f} bpp, \d+\.\d\d s"
        assert re.fullmatch(line, capsys.readouterr().err.strip().splitlines()[-1])
    assert run(["encode", "--help"]) == 0
    assert "-v, --verbose" in capsys.readouterr().out
    assert run(["weights", "import", "--help"]) == 0
    assert "--quiet" in capsys.readouterr().out


def test_help_begins_with_what_everyone_needs(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["encode", "--help"]) == 0
    told = capsys.readouterr().out
    first, more = told.split("More options:")
    assert all(flag in first for flag in ("--output", "--quality", "--target-size", "--codec", "--skip-existing", "-j"))
    assert all(flag in more and flag not in first for flag in ("--weights", "--device", "--strip", "--debug"))
    assert "zip  --level, --level-table, --text, --captions" in more
    assert "Effort." not in told
    assert run(["encode", "--help", "--codec", "zip@low:level=3"]) == 0
    told = capsys.readouterr().out
    assert "Options of zip:" in told
    assert re.search(r"--level INT +Effort. \[0 to 9; default 6\]", told)
    assert run(["encode", "--help", "--codec", "zip-bare"]) == 0
    assert "it has none" in capsys.readouterr().out
    assert run(["decode", "--help"]) == 0
    assert "zip       --invert" in capsys.readouterr().out


def test_several_at_once_give_the_same_files(work: Path, capsys: pytest.CaptureFixture) -> None:
    for number in range(6):
        os.link("a.png", f"{number}.png")
    (work / "3.png").unlink()
    (work / "3.png").write_bytes(b"")
    assert run(["encode", ".", "-o", "one", "--text", "t", "-v"]) == 1
    one = capsys.readouterr()
    assert run(["encode", ".", "-o", "four", "--text", "t", "-v", "-j", "4"]) == 1
    four = capsys.readouterr()
    assert names(work / "one") == names(work / "four")
    for name in names(work / "one"):
        assert (work / "one" / name).read_bytes() == (work / "four" / name).read_bytes()

    def comparable(text: str) -> list[str]:
        return sorted(re.sub(r"[\d.]+ s", "", line.replace("four/", "one/")) for line in text.splitlines())

    assert comparable(four.err) == comparable(one.err)
    assert four.out.endswith("; 1 failed\n")
    assert run(["decode", "four", "-o", "back", "-j", "3"]) == 0
    assert len(names(work / "back")) == 9


def test_an_interrupt_stops_all_that_work(
    work: Path, fake: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    started = threading.Barrier(2)

    def endless(self: object, *args: object) -> object:
        if started.wait(20) == 0:
            _thread.interrupt_main()
        for number in range(10**6):
            time.sleep(0.002)
            progress.report("working", number, 0)
        raise AssertionError("not stopped")

    monkeypatch.setattr(fake.ZipCodec, "compress", endless)
    start = time.perf_counter()
    assert run(["encode", ".", "-o", "out", "-j", "2"]) == 130
    assert time.perf_counter() - start < 10
    assert "0 of 4 files were done; --skip-existing does the rest" in capsys.readouterr().err
    assert names(work / "out") == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("nic job")]


def test_times_are_without_start_up(
    work: Path, fake: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    start = fake.ZipCodec.__init__

    def slow(self: object, *args: object) -> None:
        time.sleep(0.3)
        start(self, *args)

    monkeypatch.setattr(fake.ZipCodec, "__init__", slow)
    for more in ([], ["-j", "2"]):
        cache.clear()  # as in a process of its own
        assert run(["encode", ".", "-o", f"out{len(more)}", "-v", *more]) == 0
        out, err = capsys.readouterr()
        assert float(re.search(r" s \(and ([\d.]+) s to start\)$", out.strip())[1]) >= 0.3
        assert all(float(seconds) < 0.3 for seconds in re.findall(r"([\d.]+) s$", err, re.MULTILINE))


def test_tables_are_whole_where_they_are_piped(
    work: Path,
    capsys: pytest.CaptureFixture,
    make_weights: Callable[..., Path],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = make_weights(store / "zip" / ("w" * 90 + ".safetensors"), "zip", "a long name", quality=10.0)
    assert run(["weights"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert any(line.endswith(str(path)) and r"a long name" in line for line in lines)
    assert run(["weights", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"codec": "zip", "name": "a long name", "quality": 10.0, "location": str(path)}.items() <= found[
        [spec["location"] for spec in found].index(str(path))
    ].items()
    assert run(["codecs"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_tables_fit_a_terminal(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    rows = [("mini", "", "a summary of more words than fit a line"), ("\x1b", "2", "/" + "x" * 70)]
    output.show_table(("codec", "count", "summary"), rows)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) == 40
    assert lines[0] == "codec  count  summary"
    assert lines[1] == "mini          a summary of more words"
    assert lines[2] == "              than fit a line"
    assert lines[3].startswith(r"\x1b   2      /x")
    assert "".join(line[14:] for line in lines[3:]) == "/" + "x" * 70
    monkeypatch.setenv("COLUMNS", "5")  # where nothing fits
    output.show_table(("codec", "count", "summary"), rows)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 5 + 2 + 5 + 2 + output.NARROWEST


def test_info_goes_on_after_a_bad_file(work: Path, capsys: pytest.CaptureFixture) -> None:
    run(["encode", "a.png", "b.jpg", "-o", "out"])
    (work / "bad.nic").write_bytes(b"junk")
    capsys.readouterr()
    files = ["bad.nic", "out/a.nic", "absent.nic", "out/b.nic"]
    assert run(["info", *files]) == 1
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "nic: bad.nic: this is no .nic file",
        "nic: cannot read absent.nic: No such file or directory",
    ]
    assert [line.split()[1] for line in out.splitlines() if line.startswith("file")] == ["out/a.nic", "out/b.nic"]
    assert run(["info", "--json", *files]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert [("error" in fact, fact["file"]) for fact in facts] == list(
        zip([True, False, True, False], files, strict=True)
    )
    size = (work / "out" / "a.nic").stat().st_size
    expected = {"width": 9, "height": 6, "bytes": size, "bpp": round(8 * size / 54, 4), "channels": 3, "chunks": []}
    assert expected.items() <= facts[1].items()
    assert all(isinstance(unit, int) for unit in facts[1]["units"])
    assert run(["info", "--json", "bad.nic"]) == 1
    assert json.loads(capsys.readouterr().out) == {"file": "bad.nic", "error": "bad.nic: this is no .nic file"}
    assert run(["info", "--json", "out/a.nic"]) == 0
    assert json.loads(capsys.readouterr().out) == facts[1]
    assert run(["info", "--json", "out"]) == 0
    assert json.loads(capsys.readouterr().out) == [facts[1], facts[3]]


def test_decoding_to_lossy_formats(work: Path, capsys: pytest.CaptureFixture) -> None:
    run(["encode", "a.png"])
    sizes = {}
    for number, more in enumerate((["-q", "95"], ["-q", "20"], ["-q", "95", "--subsampling", "4:4:4"])):
        assert run(["decode", "a.nic", "-o", f"{number}.jpg", *more]) == 0
        sizes[number] = (work / f"{number}.jpg").stat().st_size
    assert sizes[1] < sizes[0] < sizes[2]
    assert run(["decode", "a.nic", "-o", "w/", "--format", ".WebP", "-q", "30"]) == 0
    assert names(work / "w") == ["a.webp"]
    capsys.readouterr()
    for arguments, says in (
        (["-q", "90"], "PNG is lossless, it takes no quality: that is for "),
        (["-q", "90", "-o", "x.tif"], "TIFF is lossless"),
        (["--subsampling", "4:2:0", "-o", "x.webp"], "WEBP takes no subsampling"),
    ):
        assert run(["decode", "a.nic", "--overwrite", *arguments]) == 1
        assert says in capsys.readouterr().err


def test_what_cannot_be_written_is_said_before_the_work(
    work: Path, fake: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from PIL import Image

    Image.new("RGBA", (4, 4)).save("alpha.png")
    run(["encode", "alpha.png"])

    def forbidden(*args: object) -> None:
        raise AssertionError("worked")

    monkeypatch.setattr(fake.ZipCodec, "compress", forbidden)
    monkeypatch.setattr(fake.ZipCodec, "decompress", forbidden)
    capsys.readouterr()
    for arguments, says in (
        (["decode", "alpha.nic", "-o", "x.jpg"], "JPEG holds no alpha"),
        (["decode", "alpha.nic", "-o", "absent/x.png"], "the folder does not exist"),
        (["decode", "alpha.nic", "-o", "a.png/x/"], "cannot make the folder a.png/x"),
        (["encode", "a.png", "-o", "absent/x.nic"], "the folder does not exist"),
        (["encode", "a.png", "-o", "b.jpg/x.nic"], "that is a file, not a folder"),
    ):
        assert run(arguments) == 1
        assert says in capsys.readouterr().err


def test_a_full_standard_output(work: Path) -> None:
    import subprocess

    if not Path("/dev/full").exists():
        pytest.skip("a device of Linux")
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "nic_core", "encode", "a.png", "-o", "-"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "nic: a.png: cannot write standard output: No space left on device\n"


def test_messages_of_a_full_disk() -> None:
    assert output.message(OSError(28, "No space left on device")).startswith("cannot write standard output: No space")
    assert output.message(OSError(2, "No such file", "x")).startswith("unexpected ")
