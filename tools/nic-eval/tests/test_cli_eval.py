import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from nic_core.cli import run
from nic_eval.results import Original, Results, read, write


def test_a_report_from_start_to_end(
    zip_codec: Path, here: Any, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    arguments = ["eval", "--data", str(pictures), "--metrics", "psnr", "--qualities", "20,50,90", "--out", str(out)]
    assert run([*arguments, "--codec", "zip", "--baseline", "jpeg", "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert f"wrote {out / 'report.html'}" in told and "Times are medians over the pictures, without start-up." in told
    found = read(out / "results.json")
    assert [curve.name for curve in found.curves] == ["zip", "jpeg"]
    assert [len(curve.points) for curve in found.curves] == [3, 8]
    assert {(item.curve, item.anchor) for item in found.differences} == {("zip", "jpeg")}
    for name in ("results.csv", "points.csv", "curves/zip.json", "plots/psnr.svg", "plots/psnr.png", "report.html"):
        assert (out / name).stat().st_size > 0
    kept = [
        item.decoded for curve in found.curves for point in curve.points for item in point.measurements if item.decoded
    ]
    assert kept and all((out / file).exists() for file in kept)

    again = ["--codec", "zip-bare", "--baseline", "jpeg,bpg", "--metrics", "psnr", "--out", str(out)]
    assert run(["eval", "--data", str(pictures), *again]) == 1
    told = capsys.readouterr().err
    assert "skipped zip-bare: no weights" in told and "skipped bpg: the baseline bpg needs the program bpgenc" in told

    both = tmp_path / "both"
    assert run(["report", str(out), str(out / "results.json"), "--anchor", "published:vtm", "--out", str(both)]) == 0
    assert {item.anchor for item in read(both / "results.json").differences} == {"published:vtm"}
    lossless = f"base64,{base64.b64encode(next((both / 'pictures').iterdir()).read_bytes()).decode()}<"
    assert lossless not in (both / "report.html").read_text()
    capsys.readouterr()
    assert run(["report", str(both), "--embed", "full", "--out", str(both)]) == 0
    assert lossless in (both / "report.html").read_text()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--codec", "zip", "--metrics", "ssim"], 1, "no metric is called 'ssim'; there are psnr, ms-ssim"),
        (["--baseline", "gif"], 1, "no baseline is called 'gif'; there are jpeg, webp"),
        (["--codec", "zap"], 1, "no installed package brings the codec 'zap'"),
        (["--codec", "zip", "--anchor", "published:h264"], 1, "no published figures are called 'h264'; there are vtm"),
        (["--codec", "zip", "--qualities", "0"], 1, "quality must be 1 to 100"),
        ([], 2, "at least one --codec or --baseline"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    code: int,
    message: str,
    zip_codec: Path,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["eval", "--data", str(pictures), "--out", str(tmp_path / "out"), *arguments]) == code
    told = capsys.readouterr().err
    assert message in told
    assert code == 2 or told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_ctrl_c_ends_at_once_and_the_next_run_goes_on(zip_codec: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    command = [sys.executable, "-m", "nic_core", "eval", "--data", str(pictures), "--out", str(out)]
    command += ["--codec", "zip:sleep=1.5", "--qualities", "20,90", "--metrics", "psnr", "--device", "cpu"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        deadline = time.monotonic() + 60
        while not (out / "files").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.5)  # in the middle of the next picture
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.strip() == "nic: interrupted"
    done = len(list((out / "files").rglob("*.nic")))
    assert 1 <= done < 6
    recorded = sum('"encode_s"' in line for line in (out / "cache.jsonl").read_text().splitlines())
    assert recorded >= 1 and done - recorded in (0, 1)  # a file may have been written and not yet recorded


def test_no_pictures(zip_codec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert run(["eval", "--data", str(tmp_path / "empty"), "--codec", "zip", "--out", str(tmp_path / "out")]) == 1
    assert re.fullmatch(r"nic: no .*\.png.* files below .*empty\n", capsys.readouterr().err)


def test_compare(
    zip_codec: Path, here: Any, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    arguments = [str(pictures / "a.png"), "--codec", "zip", "--baseline", "jpeg", "--device", "cpu"]
    arguments += ["--metrics", "psnr"]
    assert run(["compare", *arguments, "--bpp", "4.5", "--out", str(out)]) == 0
    told = capsys.readouterr()
    rates = [float(rate) for rate in re.findall(r"([\d.]+) bpp", told.out)]
    assert len(rates) == 2 and all(2 < rate <= 4.5 for rate in rates)
    assert "psnr" in told.out and not told.err
    page = out.read_text()
    assert page.index('id="viewer"') < page.index('id="chart"')  # the pictures come first
    assert page.count(base64.b64encode(b"RIFF")[:5].decode()) >= 3  # original and two decoded pictures, inside the page
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".nic", ".webp", ".jpg")]

    assert run(["compare", *arguments, "--codec", "zip-bare", "--bpp", "0.01", "--out", str(out)]) == 1
    told = capsys.readouterr()
    assert "skipped zip-bare: no weights" in told.err
    assert "zip has no file of at most 0.01 bpp: shown is quality 1" in told.err
    assert "jpeg has no file of at most 0.01 bpp" in told.err

    assert run(["compare", str(tmp_path / "nothing.png"), "--codec", "zip", "--out", str(out)]) == 1
    assert "nothing.png: no such file" in capsys.readouterr().err
    assert run(["compare", *arguments, "--metrics", "fid", "--out", str(out)]) == 1
    assert "fid needs many pictures" in capsys.readouterr().err


def test_compare_with_the_text_of_a_picture(
    zip_codec: Path, here: Any, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "captions.json"
    arguments = ["--codec", f"zip:captions={table}", "--device", "cpu", "--metrics", "psnr", "--bpp", "0.01"]
    arguments += ["--out", str(tmp_path / "page.html")]
    sizes = []
    for text in ("", "x" * 40):  # the smallest file, since none is small enough
        table.write_text(json.dumps({"a.png": text}))
        assert run(["compare", str(pictures / "a.png"), *arguments]) == 0
        sizes.append(int(re.findall(r"(\d+) bytes", capsys.readouterr().out)[0]))
    assert 40 <= sizes[1] - sizes[0] <= 42
    assert run(["compare", str(pictures / "b.png"), *arguments]) == 1
    says = f"skipped zip:captions={table}: {table} has no text for {pictures / 'b.png'}"
    assert capsys.readouterr().err == f"nic: {says}\n"


def test_report_of_something_else(zip_codec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"hello": 1}))
    assert run(["report", str(tmp_path / "results.json"), "--out", str(tmp_path / "out")]) == 1
    assert "is no results.json of nic eval" in capsys.readouterr().err


def test_a_report_takes_no_file_from_elsewhere(
    zip_codec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "theirs").mkdir()
    theirs = Results("theirs", (Original("a.png", 8, 8, "../secret.png"),), ())
    write(theirs, tmp_path / "theirs" / "results.json")
    assert run(["report", str(tmp_path / "theirs"), "--out", str(tmp_path / "out")]) == 1
    says = "names '../secret.png', which lies outside its folder"
    assert capsys.readouterr().err == f"nic: the report in {tmp_path / 'theirs'} {says}\n"
    assert not (tmp_path / "out").exists()


def test_a_list_says_which_pictures_are_measured(
    here: Any, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = sorted(path for path in pictures.rglob("*") if path.suffix == ".png")
    (tmp_path / "list.json").write_text(json.dumps([first.name, "missing.png"]))
    out = tmp_path / "report"
    arguments = ["eval", "--data", str(pictures), "--files", str(tmp_path / "list.json"), "--baseline", "jpeg"]
    assert run([*arguments, "--metrics", "psnr", "--qualities", "50", "--out", str(out)]) == 0
    assert [item.name for item in read(out / "results.json").pictures] == [first.relative_to(pictures).as_posix()]
    (tmp_path / "list.json").write_text('["missing.png"]')
    capsys.readouterr()
    assert run([*arguments, "--out", str(out)]) == 1
    assert "list.json names no picture below" in capsys.readouterr().err
