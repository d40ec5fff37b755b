"""The `nic` command: files, folders and pipes, with a codec that needs no torch, and every way to go wrong."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import click
import nic_core as nic
import numpy as np
import pytest
from nic_core import native, plugins
from nic_core.cli import run
from nic_core.errors import BadOption
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture, RowPicture
from PIL import Image

Make = Callable[..., Path]


def picture(*shape: int) -> Picture:
    """Return random pixels."""
    return Picture.of(np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8))


def names(folder: Path) -> list[str]:
    """Return the names of all files below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def failed(capsys: pytest.CaptureFixture, arguments: list[str], code: int = 1) -> str:
    """Run a command line that must fail; return what it says, which is one line where the code is 1."""
    capsys.readouterr()
    assert run(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("nic: " if code == 1 else "Usage: ")
    assert code != 1 or err.count("\n") == 1
    assert "Traceback" not in err
    return err


def test_one_file_goes_beside_it(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["encode", "a.png"]) == 0
    out, err = capsys.readouterr()
    size = (work / "a.nic").stat().st_size
    assert out.startswith(f"1 file, {size} bytes, {8 * size / 54:.3f} bpp, ")
    assert out.endswith(" s\n")
    assert err == ""
    (work / "a.png").rename(work / "original.png")
    assert run(["decode", "a.nic"]) == 0
    np.testing.assert_array_equal(image_files.read("a.png").pixels, image_files.read("original.png").pixels)


def test_one_file_goes_where_it_is_sent(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["encode", "a.png", "-o", "x.nic", "-q", "20"]) == 0
    assert nic.inspect((work / "x.nic").read_bytes()).quality == 20
    assert run(["encode", "a.png", "-o", "x.nic", "--overwrite"]) == 0
    assert nic.inspect((work / "x.nic").read_bytes()).quality == 50
    (work / "there").mkdir()
    assert run(["encode", "a.png", "-o", "there"]) == 0
    assert run(["encode", "a.png", "-o", "new/"]) == 0
    for name in ("y.tif", "y.webp", "y.bmp"):
        assert run(["decode", "x.nic", "-o", name]) == 0
        np.testing.assert_array_equal(image_files.read(name).pixels, image_files.read("a.png").pixels)
    assert run(["decode", "x.nic", "--format", "jpg", "-o", "there/"]) == 0
    assert names(work / "there") == ["a.nic", "x.jpg"]
    assert names(work / "new") == ["a.nic"]


def test_files_and_folders(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["encode", "a.png", "sub", "-o", "out/new"]) == 0
    assert names(work / "out") == ["new/a.nic", "new/c.nic", "new/deep/d.nic"]
    assert capsys.readouterr().out.startswith("3 files, ")
    assert run(["decode", "out", "-o", "back"]) == 0
    assert names(work / "back") == ["new/a.png", "new/c.png", "new/deep/d.png"]
    original, back = (image_files.read(path).pixels for path in ("sub/deep/d.tif", "back/new/deep/d.png"))
    np.testing.assert_array_equal(back, original)
    assert run(["encode", "sub"]) == 0
    assert names(work / "sub") == ["c.nic", "c.png", "deep/d.nic", "deep/d.tif"]


def test_a_folder_with_one_file_goes_to_a_folder(work: Path) -> None:
    assert run(["encode", "sub/deep", "-o", "out"]) == 0
    assert names(work / "out") == ["d.nic"]


def test_one_failing_file_does_not_stop_the_others(work: Path, capsys: pytest.CaptureFixture) -> None:
    (work / "b.jpg").write_bytes((work / "b.jpg").read_bytes()[:300])
    assert run(["encode", "a.png", "b.jpg", "sub/c.png", "absent.png", "-o", "out"]) == 1
    out, err = capsys.readouterr()
    assert names(work / "out") == ["a.nic", "c.nic"]
    assert out.startswith("2 files, ")
    assert out.endswith("; 2 failed\n")
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("nic: b.jpg: ")
    assert lines[1] == "nic: absent.png: no such file"


def test_a_failing_nic_file_is_named(work: Path, capsys: pytest.CaptureFixture) -> None:
    run(["encode", "a.png", "b.jpg", "-o", "out"])
    (work / "out" / "a.nic").write_bytes(b"junk")
    capsys.readouterr()
    assert run(["decode", "out", "-o", "back"]) == 1
    assert capsys.readouterr().err == "nic: out/a.nic: this is no .nic file\n"
    assert names(work / "back") == ["b.png"]
    assert failed(capsys, ["decode", "out/a.nic", "-o", "x.png"]) == "nic: out/a.nic: this is no .nic file\n"


def test_a_codec_that_raises_does_not_stop_the_others(
    work: Path, fake: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    start = fake.ZipCodec.compress
    calls = []

    def fail_once(self: object, *args: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("two\nlines")
        return start(self, *args)

    monkeypatch.setattr(fake.ZipCodec, "compress", fail_once)
    assert run(["encode", "a.png", "b.jpg", "-o", "out"]) == 1
    assert capsys.readouterr().err == (
        "nic: a.png: the codec zip failed in encoding: RuntimeError: two lines "
        "(a fault of the plugin nic-fake 1.2; --debug shows where)\n"
    )
    assert names(work / "out") == ["b.nic"]


def test_odd_names(work: Path) -> None:
    for name in ("[a] b.png", "[red].png", "-c.png", "é\u2028.png", "100%.png"):
        image_files.write(picture(2, 3), work / name)
    assert run(["encode", "-o", "out", "--", *(path.name for path in work.glob("*.png"))]) == 0
    assert len(names(work / "out")) == 6


def test_options_of_the_codec_are_flags(work: Path, capsys: pytest.CaptureFixture, make_weights: Make) -> None:
    assert run(["encode", "--help", "--codec", "zip"]) == 0
    assert "--level INT" in capsys.readouterr().out
    assert run(["encode", "a.png", "--level", "0"]) == 0
    assert (work / "a.nic").stat().st_size > 6 * 9 * 3
    assert "level must be 0 to 9, not '12'" in failed(capsys, ["encode", "b.jpg", "--level", "12"])
    assert run(["decode", "a.nic", "--invert", "-o", "x.png"]) == 0
    np.testing.assert_array_equal(image_files.read("x.png").pixels, 255 - image_files.read("a.png").pixels)
    make_weights(work / "w.safetensors", "zip", "mine", quality=(1.0, 30.0))
    assert run(["encode", "a.png", "-o", "y.nic", "--codec", "zip@w.safetensors:level=1", "-q", "90"]) == 0
    assert nic.inspect((work / "y.nic").read_bytes()).quality == 30
    assert "entropy model" in failed(capsys, ["decode", "y.nic", "-o", "z.png"])
    capsys.readouterr()
    assert run(["decode", "y.nic", "-o", "z.png", "--weights", "w.safetensors"]) == 0
    assert run(["encode", "a.png", "-o", "s.nic", "--strip"]) == 0
    capsys.readouterr()
    says = failed(capsys, ["encode", "a.png", "-o", "n.nic", "--codec", "zip-rate", "--level", "1"])
    assert says == "nic: zip-rate has no encode option 'level'; it has none\n"


def test_each_picture_has_its_own_value(work: Path, capsys: pytest.CaptureFixture) -> None:
    def texts(folder: str) -> dict[str, str]:
        return {name: nic.inspect((work / folder / name).read_bytes()).params.decode() for name in names(work / folder)}

    captions = {"a.png": "an a", "c.png": "another c", "sub/c.png": "a c", "deep/d.tif": ["a d", "something else"]}
    (work / "c.json").write_text(json.dumps(captions))
    (work / "levels.json").write_text(json.dumps({"a.png": 0, "c.png": 9, "d.tif": 9}))
    assert run(["encode", "a.png", "sub", "--captions", "c.json", "--level-table", "levels.json", "-o", "out"]) == 0
    assert texts("out") == {"a.nic": "an a", "c.nic": "a c", "deep/d.nic": "a d"}
    assert (work / "out" / "a.nic").stat().st_size > 6 * 9 * 3
    capsys.readouterr()
    assert run(["encode", "a.png", "b.jpg", "--codec", "zip:captions=c.json,level=1", "-o", "other"]) == 1
    out, err = capsys.readouterr()
    assert texts("other") == {"a.nic": "an a"}
    assert out.endswith("; 1 failed\n")
    assert err == "a.png: it says an a\nnic: c.json has no text for b.jpg\n"
    assert failed(capsys, ["encode", "b.jpg", "--captions", "c.json"]) == "nic: c.json has no text for b.jpg\n"

    both = ["encode", "a.png", "--codec", "zip:captions=c.json", "--text", "x"]
    assert failed(capsys, both) == "nic: give text or captions, not both\n"
    assert "cannot read absent.json: No such file" in failed(capsys, ["encode", "a.png", "--captions", "absent.json"])
    says = failed(capsys, ["encode", "a.png", "--level-table", "c.json"])
    assert says == "nic: c.json, a.png: level must be 0 to 9, not 'an a'\n"
    says = failed(capsys, ["encode", "a.png", "--codec", "zip-rate", "--captions", "c.json"])
    assert says == "nic: zip-rate has no encode option 'captions'; it has none\n"
    assert not (work / "a.nic").exists()
    assert run(["encode", "--codec=zip", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--captions FILE.json Instead, for each picture its own: a JSON file {picture's file name: text}." in told
    assert "COCO's captions JSON works too." in told
    assert "{picture's file name: level}." in told


def test_metadata_that_outweigh_the_picture_are_mentioned(work: Path, capsys: pytest.CaptureFixture) -> None:
    profile = np.random.default_rng(0).bytes(2000)
    Image.new("RGB", (20, 20)).save(work / "tagged.png", icc_profile=profile)
    assert run(["encode", "tagged.png", "-o", "t.nic"]) == 0
    size = (work / "t.nic").stat().st_size
    says = capsys.readouterr().err
    assert re.fullmatch(rf"tagged.png: 20\d\d of {size} bytes are metadata, which --strip leaves out\n", says)
    assert run(["encode", "tagged.png", "-o", "t.nic", "--target-size", "3kB", "--overwrite"]) == 0
    assert capsys.readouterr().err.count("metadata") == 1
    assert run(["encode", "tagged.png", "-o", "s.nic", "--strip"]) == 0
    assert capsys.readouterr().err == ""


def test_what_a_picture_is_coded_by(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["encode", "a.png", "b.jpg", "--text", "a b", "-o", "in"]) == 0
    assert capsys.readouterr().err == "a.png: it says a b\nb.jpg: it says a b\n"
    assert run(["decode", "in", "-o", "out", "--dump", "parts/of"]) == 0
    assert names(work / "parts") == ["of/a.text.txt", "of/b.text.txt"]
    assert (work / "parts" / "of" / "b.text.txt").read_text() == "a b"
    assert run(["decode", "in/a.nic", "-o", "other.bmp", "--dump", "parts"]) == 0
    assert (work / "parts" / "other.text.txt").exists()
    (work / "in" / "deep").mkdir()
    (work / "in" / "a.nic").rename(work / "in" / "deep" / "b.nic")
    assert run(["decode", "in", "-o", "more", "--dump", "tree"]) == 0
    assert names(work / "tree") == ["b.text.txt", "deep/b.text.txt"]
    assert run(["encode", "a.png", "-o", "plain.nic"]) == 0
    capsys.readouterr()
    assert run(["decode", "plain.nic", "--dump", "none"]) == 0
    says = capsys.readouterr().err
    assert says == "plain.nic: nothing to dump: zip codes a picture by nothing that can be looked at\n"
    assert not (work / "none").exists()


def test_what_an_encoder_codes_a_picture_by(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["encode", "a.png", "sub", "--text", "a b", "-o", "out", "--dump", "parts"]) == 0
    stems = ["a", "c", "deep/d"]
    assert names(work / "parts") == [f"{stem}.{kind}.txt" for stem in stems for kind in ("shape", "text")]
    assert (work / "parts" / "a.text.txt").read_text() == "a b"
    assert (work / "parts" / "a.shape.txt").read_text() == str(image_files.read("a.png").pixels.shape)
    assert run(["encode", "a.png", "--text", "x", "-o", "other.nic", "--dump", "parts/a.text.txt"]) == 1
    assert "cannot make the folder parts/a.text.txt" in capsys.readouterr().err
    assert not (work / "other.nic").exists()
    again = ["encode", "a.png", "--text", "c", "-o", "a.nic", "--dump", "parts"]
    assert run(again) == 1
    assert "a.text.txt" in capsys.readouterr().err
    assert not (work / "a.nic").exists()
    assert run([*again, "--overwrite"]) == 0
    assert (work / "parts" / "a.text.txt").read_text() == "c"
    capsys.readouterr()
    assert run(["encode", "a.png", "-o", "plain.nic", "--dump", "none"]) == 0
    assert "nothing to dump: zip codes" in capsys.readouterr().err
    assert not (work / "none").exists()


def stream(buffer: io.BytesIO, terminal: bool = False) -> SimpleNamespace:
    """Return what stands for standard input or output."""
    return SimpleNamespace(buffer=buffer, flush=lambda: None, isatty=lambda: terminal)


def test_terminals_get_and_give_no_files(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run(["encode", "a.png"])
    for arguments, output, says in (
        (["encode", "a.png", "-o", "-"], True, "standard output is a terminal, the result is binary"),
        (["decode", "a.nic", "-o", "-"], True, "standard output is a terminal, the result is binary"),
        (["encode", "-", "-o", "x.nic"], False, "standard input is a terminal"),
        (["decode", "-", "-o", "x.png"], False, "standard input is a terminal"),
    ):
        out = io.BytesIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stream(io.BytesIO(), terminal=not output))
            patch.setattr(sys, "stdout", stream(out, terminal=output))
            assert run(arguments) == 2
        assert says in capsys.readouterr().err
        assert out.getvalue() == b""
    assert not (work / "x.nic").exists()


def test_pipes(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", stream(io.BytesIO((work / "a.png").read_bytes())))
    monkeypatch.setattr(sys, "stdout", stream(out))
    assert run(["encode", "-", "-o", "-"]) == 0
    monkeypatch.setattr(sys, "stdin", stream(io.BytesIO(out.getvalue())))
    out.seek(0)
    assert run(["decode", "-"]) == 0
    np.testing.assert_array_equal(image_files.read_bytes(out.getvalue()).pixels, image_files.read("a.png").pixels)


def test_real_pipes(work: Path) -> None:
    command = [sys.executable, "-m", "nic_core"]
    data = (work / "a.png").read_bytes()
    encoded = subprocess.run([*command, "encode", "-", "-o", "-"], input=data, capture_output=True)
    assert encoded.stderr.startswith(b"1 file, ")
    decoded = subprocess.run([*command, "decode", "-", "-o", "-"], input=encoded.stdout, capture_output=True)
    np.testing.assert_array_equal(image_files.read_bytes(decoded.stdout).pixels, image_files.read("a.png").pixels)
    for name, content in (("empty", b""), ("junk", b"junk" * 9)):
        done = subprocess.run([*command, "decode", "-", "-o", f"{name}.png"], input=content, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
        assert not (work / f"{name}.png").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["encode"], "Missing argument"),
        (["encode", "a.png", "--no-such-flag"], "No such option"),
        (["encode", "a.png", "-q", "0"], "0 is not in the range 1<=x<=100"),
        (["encode", "a.png", "-q", "much"], "'much' is not a valid float"),
        (["encode", "a.png", "b.jpg", "-o", "-"], "several inputs cannot go to standard output"),
        (["encode", "sub", "-o", "-"], "several inputs cannot go to standard output"),
        (["encode", "a.png", "b.jpg", "-o", "a.png"], "-o a.png is a file; several inputs need a folder"),
        (["no-such-verb"], "No such command 'no-such-verb'"),
        (["encod", "a.png"], "No such command 'encod'. Did you mean encode?"),
        (["weights", "ad", "a.png"], "No such command 'ad'. Did you mean add?"),
        (["encode", "a.png", "--qualty", "3"], "--quality"),
        (["encode", "a.png", "-o", "victim.png"], "-o victim.png does not end in .nic"),
        (["encode", "a.png", "-o", "b.jpg"], "-o b.jpg does not end in .nic"),
        (["encode", "a.png", "-o", "new"], "a folder that is not there yet is written new/"),
        (["encode", "a.png", "--overwrite", "--skip-existing"], "exclude one another"),
        (["decode", "a.nic", "--format", "xyz"], "--format xyz: choose one of avif, bmp, "),
        (["info"], "Missing argument"),
    ],
)
def test_wrong_usage(work: Path, capsys: pytest.CaptureFixture, arguments: list[str], says: str) -> None:
    before = names(work)
    assert says in failed(capsys, arguments, 2)
    assert names(work) == before


def make_bad_inputs(work: Path) -> None:
    """Write files that are no pictures, and no .nic files, in several ways."""
    (work / "text.png").write_text("not a picture")
    (work / "empty.png").write_bytes(b"")
    (work / "cut.png").write_bytes((work / "a.png").read_bytes()[:90])
    (work / "hollow").mkdir()
    whole = nic.encode(picture(4, 5, 3))
    (work / "whole.nic").write_bytes(whole)
    (work / "part.nic").write_bytes(whole[:-9])
    (work / "flipped.nic").write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:])
    (work / "hole.nic").write_bytes(b"")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["encode", "text.png"], "text.png: no picture of a known format, or damaged at its start"),
        (["encode", "empty.png"], "empty.png: the file is empty"),
        (["encode", "cut.png"], "cut.png: "),
        (["encode", "absent.png"], "absent.png: no such file"),
        (["encode", "hollow"], "no pictures below hollow"),
        (["encode", "a.png", "--codec", "taco"], "the codec 'taco' is not installed: pip install nic-taco. Installed:"),
        (["encode", "a.png", "--codec", "evil"], "no installed package brings the codec 'evil'. Installed: zip, "),
        (["encode", "a.png", "--codec", "zipp"], "codec 'zipp'; did you mean zip? Installed"),
        (["encode", "a.png", "--codec", "zip:level"], "'zip:level' is not of the form"),
        (["encode", "a.png", "--codec", "zip-bare"], "no weights for zip-bare are installed"),
        (["encode", "a.png", "--weights", "absent"], "'absent' is neither a file nor known weights of zip"),
        (["encode", "a.png", "--weights", "b.jpg"], "b.jpg is no nic weights file"),
        (["encode", "a.png", "--codec", "zip-rate@low", "-q", "20"], "have a single rate"),
        (["encode", "a.png", "-o", "absent/a.nic"], "a.nic in the folder absent: the folder does not exist"),
        (["encode", "a.png", "-o", "b.jpg/a.nic"], "a.nic in the folder b.jpg: that is a file, not a folder"),
        (["decode", "part.nic"], "part.nic: the file is cut or altered: its CRC does not match its content"),
        (["decode", "flipped.nic"], "flipped.nic: the file is cut or altered: its CRC does not match its content"),
        (["decode", "hole.nic"], "hole.nic: the file is empty"),
        (["decode", "absent.nic"], "cannot read absent.nic: No such file or directory"),
        (["decode", "hollow"], "no .nic files below hollow"),
        (["decode", "whole.nic", "-o", "x.xyz"], "x.xyz: the name must end in one of .png"),
        (["decode", "whole.nic", "--max-pixels", "19"], "whole.nic: the file claims 5 x 4 pixels, more than the limit"),
        (["decode", "whole.nic", "--max-seconds", "nan"], "whole.nic: max_seconds must be a number of seconds above 0"),
        (["decode", "whole.nic", "-o", "absent/a.png"], "a.png in the folder absent: the folder does not exist"),
        (["info", "part.nic"], "part.nic: the file is cut or altered"),
        (["info", "absent.nic"], "cannot read absent.nic"),
        (["weights", "add", "b.jpg"], "b.jpg is no nic weights file"),
        (["weights", "add", "absent"], "cannot read absent: No such file or directory"),
        (["weights", "remove", "zip", "absent"], "no weights of zip named absent are in"),
        (["weights", "import", "zip-rate", "a.png"], "zip-rate has no importer"),
        (["weights", "import", "zip", "absent"], "cannot read absent"),
        (["weights", "import", "zip", "a.png", "-o", "absent/w"], "in the folder absent: the folder does not exist"),
        (["weights", "import", "taco", "a.png"], "the codec 'taco' is not installed"),
        (["demo", "text.png", "-o", "out"], "text.png: no picture of a known format"),
    ],
)
def test_bad_input_is_one_line_and_nothing_written(
    work: Path, capsys: pytest.CaptureFixture, arguments: list[str], says: str
) -> None:
    make_bad_inputs(work)
    before = names(work)
    assert says in failed(capsys, arguments)
    assert names(work) == before


def test_a_folder_that_cannot_be_written(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (work / "locked").mkdir(mode=0o555)
    if os.access(work / "locked", os.W_OK):
        place = "/proc/nowhere" if Path("/proc/self").exists() else pytest.skip("everything can be written here")
    else:
        place = "locked/out"
    before = names(work)
    assert f"cannot write a.nic in the folder {place}" in failed(capsys, ["encode", "a.png", "-o", f"{place}/a.nic"])
    assert run(["encode", "a.png", "b.jpg", "-o", place]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("0 files, 0 bytes, ")
    assert err.count(f"cannot make the folder {place}") == 2
    assert names(work) == before


def test_an_interrupt_leaves_nothing(
    work: Path, fake: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    start, calls = image_files.open_rows, []

    def interrupted(path: Path, max_pixels: int | None) -> RowPicture:
        calls.append(path)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return start(path, max_pixels)

    monkeypatch.setattr(image_files, "open_rows", interrupted)
    assert run(["encode", "a.png", "b.jpg", "sub", "-o", "out"]) == 130
    says = capsys.readouterr().err.strip()
    assert says == "nic: 1 of 4 files were done; --skip-existing does the rest\n\nnic: interrupted"
    assert names(work / "out") == ["a.nic"]
    assert len(calls) == 2


def test_an_interrupt_while_writing_leaves_nothing(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupted(*args: object) -> None:
        assert len(names(work)) == 6  # the temporary file is there, and its lock
        raise KeyboardInterrupt

    nic.encode(picture(2, 2, 3))  # that its weights are sound is remembered in another file
    monkeypatch.setattr("nic_core.files.atomic.os.link", interrupted)
    assert run(["encode", "a.png"]) == 130
    assert len(names(work)) == 4


def test_debug_shows_where(work: Path, capsys: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture) -> None:
    assert run(["encode", "absent.png", "--debug"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    assert run(["--debug", "encode", "a.png", "absent.png", "-o", "out"]) == 1
    assert "Traceback (most recent call last)" in caplog.text


def test_debug_from_a_terminal(work: Path) -> None:
    for arguments, code in ((["--debug"], 1), ([], 1)):
        done = subprocess.run(
            [sys.executable, "-m", "nic_core", "encode", "absent.png", *arguments], capture_output=True, text=True
        )
        assert done.returncode == code
        assert ("Traceback" in done.stderr) == bool(arguments)
        assert "absent.png: no such file" in done.stderr


def test_info(work: Path, capsys: pytest.CaptureFixture, make_weights: Make) -> None:
    image_files.write(
        Picture(picture(6, 9).pixels, picture(6, 9).pixels[..., 0], exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0"), "g.png"
    )
    run(["encode", "g.png", "-o", "g.nic"])
    capsys.readouterr()
    assert run(["info", "g.nic"]) == 0
    rows = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert rows["size"] == "9 x 6"
    assert (rows["codec"], rows["weights"], rows["quality"], rows["channels"]) == ("zip", "any", "50.0", "1")
    assert rows["chunks"].startswith("exif (")
    assert "alph (" in rows["chunks"]
    assert run(["info", "g.nic", "--json"]) == 0
    fact = json.loads(capsys.readouterr().out)
    assert (fact["bytes"], fact["bit_depth"]) == ((work / "g.nic").stat().st_size, 8)
    assert fact["entropy_id"] == nic.inspect((work / "g.nic").read_bytes()).entropy_id
    assert run(["info", "g.nic", "g.nic", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    codec = nic.load("zip-bare", make_weights(work / "w", "zip-bare", "w"))
    (work / "h.nic").write_bytes(codec.encode(picture(2, 3)))
    assert run(["info", "h.nic"]) == 0
    out = capsys.readouterr().out
    assert "not installed" in out
    assert "quality" not in out


def test_codecs(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["codecs"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["zip", "(default)"],
        ["zip-bare", "none"],
        ["zip-rate", "2"],
    ]
    assert "level, level-table, text, captions, invert" in out
    assert "[two]" in out
    assert run(["codecs", "--json"]) == 0
    specs = json.loads(capsys.readouterr().out)
    assert specs[0]["options"][0]["type"] == "int"


def test_plugins(
    work: Path, capsys: pytest.CaptureFixture, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("nic-broken", {"broken_plugin.py": "1 / 0"}, "broken = broken_plugin")
    monkeypatch.setenv("NIC_PLUGINS", "fake,broken")
    assert run(["plugins"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "broken  (nic-broken 1.2)  nothing"
    assert out[1] == "  failed: ZeroDivisionError: division by zero"
    assert out[2] == "fake  (nic-fake 1.2)  3 codecs, 3 weights, 1 importers, 1 recipes, 1 commands"
    assert out[3:] == [f"entropy coder: {native.line()}"]
    assert run(["plugins", "--json"]) == 0
    assert [row["error"] for row in json.loads(capsys.readouterr().out)] == ["ZeroDivisionError: division by zero", ""]


def test_nothing_installed(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    monkeypatch.setenv("NIC_PLUGINS", "")
    for verb, says in (("codecs", "pip install nic-mini"), ("plugins", "pip install nic-mini"), ("weights", "store")):
        assert run([verb]) == 0
        assert says in capsys.readouterr().out
    assert "no default codec is installed" in failed(capsys, ["encode", "a.png"])


def test_weights(work: Path, capsys: pytest.CaptureFixture, make_weights: Make, store: Path) -> None:
    path = make_weights(work / "[old]" / "w.safetensors", "zip", "mine", quality=10.0)
    assert run(["weights", "add", str(path)]) == 0
    assert capsys.readouterr().out.startswith("added zip mine (entropy ")
    assert run(["weights"]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = ["codec", "name", "quality", "decoder", "entropy", "synthesis", "rank", "licence", "where"]
    assert lines[0].split() == head
    assert lines[1].split()[:5] == ["zip", "any", "1", "to", "100"]
    assert any(line.split()[:3] == ["zip", "mine", "10"] for line in lines)
    assert run(["weights", "remove", "zip", "mine"]) == 0
    assert capsys.readouterr().out.startswith(f"removed {store}")
    assert run(["weights", "import", "zip", str(path)]) == 0
    assert names(store) == ["zip/w.safetensors"]
    assert run(["weights", "import", "zip", str(path), "-o", "new.safetensors"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("wrote new.safetensors (zip, entropy ")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--calibrate", "."], "this codec has no integers to make, so it takes no --calibrate"),
        (["--integers-of", "a.png"], "this codec has no integers to make, so it takes no --integers-of"),
    ],
)
def test_what_integers_are_made_from_is_asked_where_there_are_none(
    work: Path, capsys: pytest.CaptureFixture, make_weights: Make, flags: list[str], says: str
) -> None:
    path = make_weights(work / "w.safetensors", "zip", "mine", quality=10.0)
    assert says in failed(capsys, ["weights", "import", "zip", str(path), "-o", "new.safetensors", *flags])
    assert not Path("new.safetensors").exists()


def test_help_version_and_verbs_of_plugins(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert "hello" in out
    assert "Say hello." in out
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"nic {nic.__version__}\n")
    assert run(["hello"]) == 0
    assert capsys.readouterr().out == "hello\n"


def test_a_verb_that_cannot_be_imported(
    work: Path, capsys: pytest.CaptureFixture, install: Callable[..., Path]
) -> None:
    source = (
        "from nic_core.hooks import hookimpl\nfrom nic_core.spec import CommandSpec\napi_version = 1\n"
        "@hookimpl\ndef nic_commands():\n    yield CommandSpec('odd', 'nowhere:odd', 'Odd.')\n"
        "    yield CommandSpec('encode', 'nowhere:encode', 'Another.')\n"
    )
    install("nic-odd", {"odd_plugin.py": source}, "odd = odd_plugin")
    plugins.discovery._installed.cache_clear()
    says = "the verb odd failed in its import: ModuleNotFoundError: No module named 'nowhere' (a fault of the plugin"
    assert says in failed(capsys, ["odd"])
    assert run(["--help"]) == 0
    assert "Compress pictures" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (
            KeyError("a"),
            "the verb hello failed in its work: KeyError: 'a' (a fault of the plugin nic-fake 1.2; --debug",
        ),
        (FileNotFoundError(2, "no such", "x"), "the verb hello failed in its work: FileNotFoundError: "),
        (MemoryError(), "the verb hello needs more memory for its work than there is\n"),
        (BadOption("choose another"), "nic: choose another\n"),
        (OSError(28, "the disk is full"), "nic: cannot write standard output: the disk is full\n"),
    ],
)
def test_a_verb_of_a_plugin_that_fails_is_named(
    work: Path,
    fake: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    raised: Exception,
    says: str,
) -> None:
    @click.group()
    def hello() -> None:
        pass

    @hello.command()
    def again() -> None:
        raise raised

    monkeypatch.setattr(fake, "hello", hello)
    assert says in failed(capsys, ["hello", "again"])
    assert run(["hello", "again", "--debug"]) == 1
    assert "in again\n    raise raised" in capsys.readouterr().err


def test_what_a_verb_of_a_plugin_says_of_its_use_stays(
    work: Path, fake: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for raised, code in ((click.UsageError("wrong"), 2), (click.Abort(), 130), (click.exceptions.Exit(7), 7)):
        monkeypatch.setattr(fake, "hello", click.command("hello")(raising(raised)))
        assert run(["hello"]) == code
        assert "fault" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        monkeypatch.setattr(fake, "hello", click.command("hello")(raising(SystemExit(3))))
        run(["hello"])


def raising(error: BaseException) -> Callable[[], None]:
    """Return a function that raises an error."""

    def function() -> None:
        raise error

    return function


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("lambda *given: {}[0]", "failed in reading a checkpoint: KeyError: 0"),
        ("lambda: None", "failed in reading a checkpoint: TypeError: "),
        ("5", "failed in reading a checkpoint: TypeError: "),
    ],
)
def test_an_importer_that_fails_is_named(
    work: Path, fake: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, target: str, says: str
) -> None:
    monkeypatch.setattr(fake, "take_over", eval(target))
    err = failed(capsys, ["weights", "import", "zip", "a.png", "-o", "w.safetensors"])
    assert err.startswith(f"nic: the importer of zip {says}")
    assert "(a fault of the plugin nic-fake 1.2; --debug shows where)" in err
    assert not (work / "w.safetensors").exists()


def test_the_demo_with_a_picture(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["demo", "a.png", "-o", "made/here"]) == 0
    assert names(work / "made" / "here") == ["a.decoded.png", "a.nic", "a.side-by-side.png"]
    rows = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert rows["codec"] == "zip, quality 50"
    assert rows["PSNR"] == "inf dB"
    assert image_files.read("made/here/a.side-by-side.png").width == 18
