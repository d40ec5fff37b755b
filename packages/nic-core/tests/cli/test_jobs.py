"""Which files a run makes: names, what is there already, what is passed over."""

import os
import shutil
from pathlib import Path

import nic_core as nic
import pytest
from nic_core.cli import run

SAFE = "; --overwrite replaces, --skip-existing passes over\n"


def names(folder: Path) -> list[str]:
    """Return the names of all files below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def qualities(folder: Path) -> dict[str, float | None]:
    """Return the qualities of the .nic files below a folder."""
    return {name: nic.inspect((folder / name).read_bytes()).quality for name in names(folder)}


@pytest.mark.parametrize("output", [[], ["-o", "b.nic"], ["-o", "./"]], ids=["beside", "named", "folder"])
def test_an_output_that_is_there_is_replaced_only_when_told(
    work: Path, capsys: pytest.CaptureFixture, output: list[str]
) -> None:
    target = work / ("a.nic" if output != ["-o", "b.nic"] else "b.nic")
    target.write_text("mine")
    assert run(["encode", "a.png", *output]) == 1
    assert capsys.readouterr().err == f"nic: {target.name} is there already{SAFE}"
    assert run(["encode", "a.png", *output, "--skip-existing"]) == 0
    assert capsys.readouterr().out == "nothing to do: 1 output is there already\n"
    assert target.read_text() == "mine"
    assert run(["encode", "a.png", *output, "--overwrite"]) == 0
    assert nic.inspect(target.read_bytes()).codec == "zip"


def test_a_decoded_picture_replaces_nothing_either(work: Path, capsys: pytest.CaptureFixture) -> None:
    run(["encode", "a.png"])
    original = (work / "a.png").read_bytes()
    for arguments in (["a.nic"], ["a.nic", "-o", "a.png"], ["a.nic", "-o", "./"], [".", "-o", "."]):
        capsys.readouterr()
        assert run(["decode", *arguments]) == 1
        assert capsys.readouterr().err == f"nic: a.png is there already{SAFE}"
        assert run(["decode", *arguments, "--skip-existing"]) == 0
    assert (work / "a.png").read_bytes() == original
    assert run(["decode", "a.nic", "--text"]) == 2
    (work / "parts").mkdir()
    (work / "parts" / "x.text.txt").write_text("mine")
    run(["encode", "b.jpg", "--text", "b"])
    assert run(["decode", "b.nic", "-o", "x.png", "--dump", "parts"]) == 1
    assert capsys.readouterr().err.endswith(
        "cannot write x.text.txt in the folder parts: a file of that name is there\n"
    )
    assert not (work / "x.png").exists()
    assert run(["decode", "b.nic", "-o", "x.png", "--dump", "parts", "--skip-existing"]) == 0
    assert (work / "parts" / "x.text.txt").read_text() == "mine"
    assert run(["decode", "b.nic", "-o", "x.png", "--dump", "parts", "--overwrite"]) == 0
    assert (work / "parts" / "x.text.txt").read_text() == "b"


def test_a_folder_goes_on_where_it_stopped(work: Path, capsys: pytest.CaptureFixture) -> None:
    (work / "b.jpg").rename(work / "kept.jpg")
    (work / "b.jpg").write_bytes(b"")
    assert run(["encode", ".", "-o", "out", "-q", "20"]) == 1
    assert names(work / "out") == ["a.nic", "kept.nic", "sub/c.nic", "sub/deep/d.nic"]
    shutil.move("kept.jpg", "b.jpg")
    (work / "out" / "kept.nic").unlink()
    capsys.readouterr()
    assert run(["encode", ".", "-o", "out"]) == 1
    assert capsys.readouterr().err == f"nic: 3 of 4 outputs are there already, out/a.nic first{SAFE}"
    assert run(["encode", ".", "-o", "out", "-q", "80", "--skip-existing"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("1 file, ")
    assert out.endswith("; 3 there already\n")
    assert err == ""
    assert qualities(work / "out") == {"a.nic": 20, "b.nic": 80, "sub/c.nic": 20, "sub/deep/d.nic": 20}


def test_names_that_inputs_share_keep_their_endings(work: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("a.jpg", "A.tif", "a.png.jpg"):
        shutil.copy("b.jpg", name)
    assert run(["encode", ".", "-o", "out"]) == 0
    made = ["A.tif.nic", "a.jpg.nic", "a.png.jpg.nic", "a.png.nic", "b.nic", "sub/c.nic", "sub/deep/d.nic"]
    assert names(work / "out") == made
    says = "4 inputs that share their names keep their endings: A.tif.nic, a.jpg.nic, a.png.nic, a.png.jpg.nic\n"
    assert capsys.readouterr().err == says
    for name in ("a.jpg.nic", "b.nic"):
        (work / "out" / name).unlink()
    assert run(["encode", ".", "-o", "out", "--skip-existing"]) == 0
    assert capsys.readouterr().out.endswith("; 5 there already\n")
    assert names(work / "out") == made
    assert run(["decode", "out", "-o", "back"]) == 0
    assert names(work / "back")[:3] == ["A.tif.png", "a.jpg.png", "a.png.jpg.png"]


def test_inputs_that_share_even_their_whole_names_are_named_and_the_rest_is_done(
    work: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.copy("a.png", "sub/a.png")
    assert run(["encode", "a.png", "sub/a.png", "b.jpg", "b.jpg", "-o", "out"]) == 1
    out, err = capsys.readouterr()
    line = "nic: a.png and sub/a.png would all be written to out/a.png.nic: do them in separate runs"
    assert err.splitlines()[:2] == [line, line]
    assert out.startswith("1 file, ")
    assert names(work / "out") == ["b.nic"]


def test_no_input_is_replaced(work: Path, capsys: pytest.CaptureFixture) -> None:
    shutil.copy("a.png", "x.nic")
    shutil.copy("a.png", "x.png")
    for arguments in (["x.nic"], ["x.nic", "-o", "sub/../x.nic"], ["x.png", "-o", "x.nic", "--overwrite"]):
        code = 2 if "x.png" not in arguments else 0
        assert run(["encode", *arguments, "--overwrite"]) == code
    assert capsys.readouterr().err.count("the input x.nic would be replaced by an output") == 2
    shutil.copy("a.png", "y.nic")
    os.link("y.nic", "y.png")
    assert run(["encode", "x.png", "y.nic", "--overwrite"]) == 2


def test_what_a_folder_has_besides_is_counted(work: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("notes.txt", "more.TXT", "x.heiq", "README", ".DS_Store", ".nic-0-0.part", "old.nic", "sub/y.txt"):
        (work / name).write_text("")
    (work / ".git").mkdir()
    (work / ".git" / "e.png").write_text("")
    assert run(["encode", ".", "-o", "out"]) == 0
    assert capsys.readouterr().err == "6 files passed over: 3 .txt, 1 .heiq, 1 hidden, 1 without an ending\n"
    assert len(names(work / "out")) == 4
    (work / "none").mkdir()
    (work / "none" / "a.txt").write_text("")
    assert run(["encode", "none"]) == 1
    assert capsys.readouterr().err == "nic: no pictures below none (1 file passed over: 1 .txt)\n"
    assert run(["decode", "out", "-o", "back", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_missing_package_is_named(work: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from nic_core.cli import encode

    kind = replace(encode.PICTURES, package=lambda suffix: {".hei": "pillow-hei"}.get(suffix))
    monkeypatch.setattr(encode, "PICTURES", kind)
    (work / "x.hei").write_text("")
    assert run(["encode", ".", "-o", "out"]) == 0
    assert capsys.readouterr().err == "1 file passed over: 1 .hei (pip install pillow-hei)\n"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that hold")
def test_a_folder_that_cannot_be_read_is_named(work: Path, capsys: pytest.CaptureFixture) -> None:
    (work / "sub" / "deep").chmod(0)
    assert run(["encode", "sub", "-o", "out"]) == 1
    assert capsys.readouterr().err == "nic: cannot read the folder sub/deep: Permission denied\n"
    assert names(work / "out") == ["c.nic"]


def test_devices_are_not_replaced(work: Path, capsys: pytest.CaptureFixture) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("a device of Linux")
    assert run(["encode", "a.png", "-o", "/dev/null"]) == 0
    run(["encode", "a.png"])
    capsys.readouterr()
    for verb, source in (("encode", "b.jpg"), ("decode", "a.nic")):
        assert run([verb, source, "-o", "/dev/full"]) == 1
        assert capsys.readouterr().err == f"nic: {source}: cannot write /dev/full: No space left on device\n"
    assert Path("/dev/full").exists()


@pytest.mark.parametrize("verb", ["encode", "decode", "info"])
def test_names_beyond_what_file_systems_take(work: Path, capsys: pytest.CaptureFixture, verb: str) -> None:
    run(["encode", "a.png"])
    capsys.readouterr()
    assert run([verb, "x" * 300]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    if verb != "info":
        source, ending = ("a.png", "nic") if verb == "encode" else ("a.nic", "png")
        assert run([verb, source, "-o", "x" * 300 + "." + ending]) == 1
        says = capsys.readouterr().err
        assert "File name too long" in says
        assert says.count("\n") == 1
    assert len(names(work)) == 5


def test_imported_weights_replace_nothing(work: Path, capsys: pytest.CaptureFixture, make_weights: object) -> None:
    source = make_weights(work / "w.safetensors", "zip", "mine", quality=10.0)
    (work / "new.safetensors").write_text("mine")
    command = ["weights", "import", "zip", str(source), "-o", "new.safetensors"]
    assert run(command) == 1
    assert capsys.readouterr().err == "nic: new.safetensors is there already; --overwrite replaces it\n"
    assert run([*command, "--skip-existing"]) == 0
    assert (work / "new.safetensors").read_text() == "mine"
    assert run([*command, "--overwrite"]) == 0
    assert (work / "new.safetensors").read_bytes() == source.read_bytes()


def test_the_demo_replaces_only_its_own(work: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["demo", "a.png"]) == run(["demo", "a.png"]) == 0
    (work / "a.nic").write_text("mine")
    assert run(["demo", "a.png", "-o", "."]) == 1
    assert capsys.readouterr().err == "nic: a.nic is there already; --overwrite replaces it\n"
    assert run(["demo", "a.png", "-o", ".", "--overwrite"]) == 0
