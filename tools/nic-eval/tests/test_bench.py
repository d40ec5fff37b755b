import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nic_core as nic
import numpy as np
import pytest
from nic_core.cli import run
from nic_core.errors import BadOption, NicError
from nic_eval.bench import benchmark, work
from nic_eval.bench.benchmark import Benchmark
from nic_eval.bench.choice import candidates
from nic_eval.bench.machine import FAST_BF16, instructions, processor
from nic_eval.bench.picture import leaves, sides
from nic_eval.bench.processes import in_process
from nic_eval.bench.report import Direction, LeftOut, Machine, Report
from nic_eval.bench.stages import Times, run_once
from nic_eval.bench.tables import left_out_lines

SIDE = 96
MACHINE = Machine("A processor", 2, 1, ("AVX2",), "avx2", {"torch": "2.6", "numpy": ""}, 50.0, 60.0, 40.0, 0.1)


@pytest.fixture(scope="module")
def report() -> Report:
    """Measure the bundled mini by both runtimes, in processes."""
    return Benchmark(candidates(["mini"], None, False), leaves(SIDE, SIDE), "drawn", None, 3, False).run()


@pytest.fixture
def at_once(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command find what was measured."""
    monkeypatch.setattr(Benchmark, "run", lambda self: report)


def runtimes(report: Report) -> list[str]:
    """Return what a machine should have measured mini by."""
    lower = [] if FAST_BF16.isdisjoint(report.machine.instructions) else ["torch-bf16"]
    return ["torch", *lower, "onnxruntime"]


def test_every_runtime_is_measured(report: Report) -> None:
    assert [one.runtime for one in report.runs] == runtimes(report)
    for one in report.runs:
        assert (one.codec, one.quality, one.tiles, one.random) == ("mini", 50.0, 1, False)
        assert one.bytes > 100 and one.symbols == report.runs[0].symbols
        for direction in (one.encode, one.decode):
            assert direction.gmac and direction.of_rate and direction.symbols_per_second
            assert direction.peak_bytes > 50 << 20
    assert report.runs[0].encode.gmac == report.runs[1].encode.gmac
    assert report.machine.matrix_gflops > 0 and report.machine.cores >= 1
    assert report.left_out == ()


def test_stages_add_up_to_the_whole(report: Report) -> None:
    for one in report.runs:
        assert set(one.encode.stages) == {"pixels", "analysis", "entropy"}
        assert set(one.decode.stages) == {"entropy", "synthesis", "pixels"}
        for direction in (one.encode, one.decode):
            assert all(seconds > 0 for seconds in direction.stages.values())
            # Each is a median of its own, so that they may differ a little.
            assert 0.7 * direction.seconds < sum(direction.stages.values()) + direction.other < 1.3 * direction.seconds
            assert direction.other < 0.5 * direction.seconds


def test_a_run_is_the_sum_of_its_stages() -> None:
    codec = nic.load("mini", device="cpu", runtime="onnx")
    opened, pixels, times = codec.opened(codec.weights[0]), leaves(SIDE, SIDE), Times("encode")
    data, watch = run_once(opened, lambda: codec.encode(pixels), times)  # type: ignore[arg-type]
    whole, stages = times.medians
    assert 0.5 * whole < sum(stages.values()) <= whole
    assert watch.symbols > 0
    assert codec.encode(pixels) == data  # and nothing of the watch is left
    assert not {"latents", "encode_latents"} & vars(opened).keys()


def test_tables(report: Report, at_once: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "mini"]) == 0
    told = capsys.readouterr().out
    for heading in ("processor ", "float32 ", "encode  runtime", "analysis", "decode  runtime", "synthesis", "peak MB"):
        assert heading in told
    rows = [line.split() for line in told.splitlines() if line.startswith("mini ")]
    assert [row[1] for row in rows] == runtimes(report) * 2
    assert rows[0][-2] == str(report.runs[0].bytes)


def test_json(report: Report, at_once: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "mini", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["width"] == SIDE and found["machine"]["native"] == report.machine.native
    assert found["runs"][0]["encode"]["stages"]["analysis"] == report.runs[0].encode.stages["analysis"]
    assert [one["bytes"] for one in found["runs"]] == [one.bytes for one in report.runs]


def test_other_work_on_the_machine_is_said(
    report: Report, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = replace(report, machine=replace(MACHINE, load=3.5))
    monkeypatch.setattr(Benchmark, "run", lambda self: busy)
    assert run(["bench", "mini"]) == 0
    assert "(load 3.5)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["zap"], 1, "no installed package brings the codec 'zap'"),
        (["zip-bare"], 1, "no weights for zip-bare are installed"),
        (["zip:colour=3"], 1, "zip has no encode option 'colour'"),
        (["zip", "--size", "768"], 1, "a size is WIDTHxHEIGHT"),
        (["zip", "--size", "0x512"], 1, "a size is WIDTHxHEIGHT"),
        (["zip", "-q", "0"], 1, "quality must be 1 to 100"),
        (["zip", "--picture", "nowhere.png"], 1, "nowhere.png: no such file"),
        (["zip", "--picture", "a.png", "--size", "8x8"], 2, "give it or --picture, not both"),
        (["zip", "--repeat", "0"], 2, "--repeat"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], code: int, message: str, zip_codec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", *arguments]) == code
    told = capsys.readouterr()
    assert message in told.err and not told.out
    assert code == 2 or told.err.count("\n") == 1


def test_what_is_no_codec_of_latents_is_left_out(
    zip_codec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "in_process", _quickly)
    assert run(["bench", "zip", "--size", "32x32"]) == 1
    assert capsys.readouterr().err == ("nic: left out zip: it is no codec of latents, and has no stages to time\n")
    assert run(["bench", "zip-bare", "--random", "--size", "32x32"]) == 1
    assert "zip-bare has no training recipe" in capsys.readouterr().err


def _quickly(function: Callable[..., Any], *given: Any) -> Any:
    """Do without measuring the machine."""
    return MACHINE if function is benchmark.machine else in_process(function, *given)


def test_codecs_without_weights_are_one_line() -> None:
    found = left_out_lines(
        [LeftOut("a", "", "no weights"), LeftOut("b", "torch", "why"), LeftOut("c", "", "no weights")]
    )
    assert found == ["without weights, not measured: a, c (--random times them)", "left out b by torch: why"]


def test_a_direction_follows_from_its_times() -> None:
    stages = {"pixels": 0.1, "analysis": 0.5, "entropy": 0.2}
    found = Direction.of("encode", 1.0, stages, 5.0, 40.0, 2000, 7)
    assert found.other == pytest.approx(0.2)
    assert found.of_rate == pytest.approx(0.5)
    assert found.symbols_per_second == pytest.approx(10_000)
    bare = Direction.of("encode", 1.0, {}, None, 40.0, None, 0)
    assert (bare.of_rate, bare.symbols_per_second, bare.other) == (None, None, 1.0)


def test_the_processor() -> None:
    info = "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 fma avx512f avx512_vnni\n"
    assert processor(info) == "AMD EPYC"
    assert instructions(info) == ("AVX2", "FMA", "AVX-512", "AVX-512 VNNI")
    assert instructions("Features\t: fp asimd asimddp i8mm") == ("NEON", "NEON dot products", "int8 matrices")
    assert instructions("") == () and processor("")


def test_the_drawn_picture_is_the_same_everywhere() -> None:
    picture = leaves(96, 64)
    assert picture.shape == (64, 96, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture, leaves(96, 64))
    assert picture.std() > 20
    assert leaves(1, 1).shape == (1, 1, 3)
    assert sides("96X64") == (96, 64)
    with pytest.raises(BadOption):
        sides("9x-3")


INTERRUPT = """
import multiprocessing, os, signal, threading, time
from nic_eval.bench.processes import in_process

threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    in_process(time.sleep, 300)
except KeyboardInterrupt:
    print(multiprocessing.active_children())
"""


def test_an_interrupt_ends_a_process() -> None:
    ended = subprocess.run([sys.executable, "-c", INTERRUPT], capture_output=True, text=True, check=True, timeout=120)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


def test_a_process_that_dies_is_an_error() -> None:
    with pytest.raises(NicError, match="its process died"):
        in_process(os._exit, 3)


def test_ctrl_c_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "in_process", interrupt)
    assert run(["bench", "mini", "--size", "32x32"]) == 130
    assert capsys.readouterr().err.strip() == "nic: interrupted"


def test_help_imports_nothing_slow() -> None:
    script = (
        "import sys; from nic_core.cli import run; run(['bench', '--help']); "
        "print(sorted({'torch', 'numpy', 'PIL', 'onnxruntime'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "nic bench --random cca" in told and told.splitlines()[-1] == "[]"


def test_operations_need_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(work, "find_spec", lambda name: None)
    job = work.Job("mini", tmp_path, 50.0, {}, {}, "onnx", tmp_path, tmp_path)
    assert work.gmacs(job, leaves(8, 8), b"") == {}
