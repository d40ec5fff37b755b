import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nic_core
import numpy as np
import pytest
from nic_core.engines.engine import Wanted
from nic_core.engines.local import LocalEngine
from nic_core.errors import BadOption, NicError, WeightsNotFound
from nic_core.pictures.picture import Picture
from nic_core.weights import WeightsInfo, fingerprint
from nic_eval.contestants import baselines
from nic_eval.contestants.codecs import NicContestant
from nic_eval.contestants.contestant import Setting, read_original
from nic_eval.files import file_hash, find_pictures
from nic_eval.measuring.cache import Cache
from nic_eval.measuring.coder import Coded, Coder
from nic_eval.measuring.evaluation import Evaluated, evaluate
from nic_eval.measuring.lanes import Lane
from nic_eval.measuring.request import Request
from nic_eval.metrics.catalogue import METRICS
from nic_eval.report.folder import write_report
from nic_eval.results import Results, read
from PIL import Image
from safetensors.numpy import save_file


@pytest.fixture
def run(pictures: Path, tmp_path: Path, zip_codec: Path) -> Callable[..., Evaluated]:
    """Return a function that evaluates codecs on the pictures, into one report."""

    def start(*codecs: str, metrics: Sequence[str] = ("psnr",), **more: Any) -> Evaluated:
        contestants = [NicContestant(text, "cpu", (10.0, 90.0)) for text in codecs]
        chosen = tuple(METRICS[name] for name in metrics)
        return evaluate(Request(pictures, tmp_path / "report", tuple(contestants), chosen, **more))

    return start


def by_picture(results: Results, point: int = 0) -> dict[str, Any]:
    return {item.picture: item for item in results.curves[0].points[point].measurements}


def test_files_are_real_and_figures_are_theirs(run: Callable[..., Evaluated], here: Any, tmp_path: Path) -> None:
    found = run("zip")
    curve = found.results.curves[0]
    assert [point.label for point in curve.points] == ["quality 10", "quality 90"]
    assert curve.gmacs == {"encode": 1.5}
    items = by_picture(found.results)
    assert set(items) == {"a.png", "b.png", "sub/c.png"}
    for item in items.values():
        data = (tmp_path / "report" / item.file).read_bytes()
        assert nic_core.inspect(data).codec == "zip"
        assert item.bytes == len(data) and item.encode_s > 0 and item.decode_s > 0
    assert items["b.png"].bpp == 8 * items["b.png"].bytes / (41 * 40)
    assert curve.points[0].bpp == pytest.approx(np.mean([item.bpp for item in items.values()]))
    original = read_original(tmp_path / "pictures" / "a.png").pixels.astype(float)
    rounded = np.clip(original // 91 * 91 + 45, 0, 255)
    expected = 10 * np.log10(255**2 / np.mean((original - rounded) ** 2))
    assert items["a.png"].metrics["psnr"] == pytest.approx(expected, abs=1e-4)


def test_a_second_run_measures_nothing(run: Callable[..., Evaluated], here: Any) -> None:
    first = run("zip")
    assert here.calls == {"code": 6, "judge": 6, "gmacs": 1}
    here.calls.clear()
    assert run("zip").results == first.results
    assert not here.calls


def test_only_what_changed_is_measured(
    run: Callable[..., Evaluated], here: Any, tmp_path: Path, make_picture: Callable[..., np.ndarray]
) -> None:
    first = run("zip")
    here.calls.clear()
    run("zip", metrics=("psnr", "ms-ssim"))  # another metric: files are decoded, not coded again
    assert here.calls == {"decode": 6, "judge": 6}

    here.calls.clear()
    Image.fromarray(make_picture(seed=9)).save(tmp_path / "pictures" / "a.png")
    changed = run("zip")
    assert here.calls == {"code": 2, "judge": 2}
    assert by_picture(changed.results)["b.png"] == by_picture(first.results)["b.png"]
    assert by_picture(changed.results)["a.png"] != by_picture(first.results)["a.png"]

    here.calls.clear()
    items = by_picture(changed.results)
    (tmp_path / "report" / items["b.png"].file).unlink()
    (tmp_path / "report" / items["a.png"].file).write_bytes(b"x" * items["a.png"].bytes)
    run("zip")
    assert here.calls == {"code": 2, "judge": 2}


def test_weights_and_options_are_part_of_the_key(run: Callable[..., Evaluated], here: Any, zip_codec: Path) -> None:
    run("zip")
    here.calls.clear()
    run("zip:level=1")
    assert here.calls["code"] == 6
    weights = zip_codec / "nic_fake" / "weights" / "any.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")  # an encoder's tensor: the ids stay the same
    here.calls.clear()
    run("zip")
    assert here.calls["code"] == 6


def test_decode_options_reach_the_decoder(run: Callable[..., Evaluated], here: Any) -> None:
    found = run("zip", "zip:invert=true")
    plain, inverted = found.results.curves
    assert [item.bytes for item in plain.points[1].measurements] == [
        item.bytes for item in inverted.points[1].measurements
    ]
    assert plain.points[1].metrics["psnr"] > 30 > 15 > inverted.points[1].metrics["psnr"]


def test_single_rate_weights_give_a_point_each(run: Callable[..., Evaluated], here: Any) -> None:
    points = run("zip-rate").results.curves[0].points
    assert [(point.label, point.quality) for point in points] == [("quality 20", 20), ("quality 80", 80)]
    assert points[0].metrics["psnr"] < points[1].metrics["psnr"]
    single = run("zip-rate@high").results.curves[0]
    assert [point.label for point in single.points] == ["quality 80"]
    assert single.points[0].metrics == points[1].metrics


def test_weights_that_are_passed_over_are_named(
    zip_codec: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundled = zip_codec / "nic_fake" / "weights"
    store = tmp_path / "store" / "zip-bare"
    store.mkdir(parents=True)
    for name, entropy in (("first", 1.0), ("second", 2.0)):
        tensors = {"entropy": np.full(1, entropy, np.float32), "g_s.weight": np.zeros(1, np.float32)}
        ids = [fingerprint({key: tensors[key]}, {}) for key in tensors]
        save_file(tensors, store / f"{name}.safetensors", WeightsInfo("zip-bare", "same", {}, *ids).to_metadata())
    contestant = NicContestant("zip-bare")
    assert [setting.label for setting in contestant.settings()] == ["same"]
    passed = store / "second.safetensors"
    assert caplog.messages == [
        f"zip-bare: weights {passed} are passed over, same are measured; name them to measure them: zip-bare@{passed}"
    ]
    caplog.clear()
    other = tmp_path / "store" / "zip-rate"
    other.mkdir()
    (other / "low.safetensors").write_bytes((bundled / "low.safetensors").read_bytes())
    assert len(NicContestant("zip-rate").settings()) == 2 and caplog.messages == []  # one set in two places
    tensors = {"entropy": np.full(1, 3.0, np.float32), "g_s.weight": np.zeros(1, np.float32)}
    ids = [fingerprint({key: tensors[key]}, {}) for key in tensors]
    info = WeightsInfo("zip-rate", "rival", {}, *ids, quality=80.0)
    save_file(tensors, other / "rival.safetensors", info.to_metadata())
    assert len(NicContestant("zip-rate").settings()) == 2
    assert "weights rival are passed over, high are measured" in caplog.text


def test_what_cannot_be_measured_is_named_and_the_rest_is_done(
    run: Callable[..., Evaluated], here: Any, tmp_path: Path
) -> None:
    whole = (tmp_path / "pictures" / "a.png").read_bytes()
    (tmp_path / "pictures" / "cut.png").write_bytes(whole[:200])
    found = run("zip", "zip-bare")
    assert [curve.name for curve in found.results.curves] == ["zip"]
    assert len(by_picture(found.results)) == 3
    assert any("cut.png" in line for line in found.failures)
    assert any("zip-bare" in line and "no weights" in line for line in found.failures)
    assert set(found.failures) <= set(found.results.notes)


def test_a_failing_picture_leaves_the_others(
    run: Callable[..., Evaluated], here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def code(self: Any, source: Path, setting: Setting, target: Path) -> Coded:
        if source.name == "b.png":
            raise ZeroDivisionError("in the codec")
        return self.coder.code(source, setting, target)

    monkeypatch.setattr(here, "code", code)
    found = run("zip")
    assert len(found.failures) == 2 and "b.png failed: ZeroDivisionError: in the codec" in found.failures[0]
    assert any("means over 2 of 3 pictures only" in note for note in found.results.notes)


def test_an_interrupted_run_goes_on(
    run: Callable[..., Evaluated], here: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(here, "stop_after", 4)
    with pytest.raises(KeyboardInterrupt):
        run("zip")
    assert not (tmp_path / "report" / "results.json").exists()
    monkeypatch.setattr(here, "stop_after", None)
    here.calls.clear()
    assert len(run("zip").results.curves[0].points) == 2
    assert here.calls["code"] == 2


def test_small_pictures_have_no_ms_ssim(run: Callable[..., Evaluated], here: Any) -> None:
    found = run("zip", metrics=("psnr", "ms-ssim"))
    assert set(found.results.curves[0].points[0].metrics) == {"psnr"}
    assert "ms-ssim: no means, 3 of 3 pictures are too small for it" in found.results.notes
    assert not found.failures


def test_too_few_patches_are_a_note(run: Callable[..., Evaluated], here: Any) -> None:
    found = run("zip", metrics=("psnr", "fid"))
    assert any(note.startswith("fid is not measured: the pictures give 0 patches") for note in found.results.notes)
    assert not found.failures


def test_published_curves_and_anchors(run: Callable[..., Evaluated], here: Any) -> None:
    found = run("zip", anchors=("published:vtm",), published=("cca", "vtm"))
    assert [curve.name for curve in found.results.curves] == ["zip", "published:cca", "published:vtm"]
    assert {item.anchor for item in found.results.differences} == {"published:vtm"}
    assert any("other pictures" in note for note in found.results.notes)


def test_bad_requests(run: Callable[..., Evaluated], here: Any, tmp_path: Path, zip_codec: Path) -> None:
    with pytest.raises(BadOption, match=r"'webp' is not measured; there are zip, .*published:vtm"):
        run("zip", anchors=("webp",))
    with pytest.raises(NicError, match="zip is given twice"):
        run("zip", "zip")
    with pytest.raises(NicError, match="no weights"):
        run("zip-bare")
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (empty, tmp_path / "nowhere"):
        with pytest.raises(NicError, match=str(folder)):
            evaluate(Request(folder, tmp_path / "other", (baselines.find("jpeg"),), ()))
    assert not (tmp_path / "other").exists()
    assert not here.calls


def test_codecs_that_need_no_weights_are_measured(run: Callable[..., Evaluated]) -> None:
    (curve,) = run("zip-free").results.curves
    assert [point.label for point in curve.points] == ["quality 10", "quality 90"]
    assert curve.points[0].bpp < curve.points[1].bpp
    assert "weights none needed" in NicContestant("zip-free").description
    with pytest.raises(BadOption, match="zip-free needs no weights: name none"):
        NicContestant("zip-free@w.safetensors").settings()


def test_contestants_are_checked_before_any_work(zip_codec: Path) -> None:
    with pytest.raises(BadOption, match=r"no option 'lvl'; it has level, dies-at, sleep, text, captions, invert"):
        NicContestant("zip:lvl=3").check()
    with pytest.raises(BadOption, match="level must be 0 to 9"):
        NicContestant("zip:level=12").check()
    with pytest.raises(WeightsNotFound, match=r"'nowhere\.safetensors'"):
        NicContestant("zip@nowhere.safetensors").settings()


def test_qualities_stay_in_the_range_of_the_weights(zip_codec: Path) -> None:
    assert [item.quality for item in NicContestant("zip", "cpu", (55.0, 55.0, 3.0)).settings()] == [3, 55]
    ladder = NicContestant("zip").ladder()
    assert (ladder[0].quality, ladder[-1].quality, len(ladder)) == (1, 100, 9901)


def test_a_report_inside_the_data_does_not_measure_itself(pictures: Path) -> None:
    made = pictures / "report" / "pictures"
    made.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(made / "copy.webp")
    names = [path.name for path in find_pictures(pictures, pictures / "report")]
    assert names == ["a.png", "b.png", "c.png"]
    assert len(find_pictures(pictures, pictures)) == 4  # only folders that a report makes are left out


def test_names_that_are_no_text_can_be_written(run: Callable[..., Evaluated], here: Any, tmp_path: Path) -> None:
    for name in (b"\xff.png", b"\x1b[31m.png"):
        shutil.copy(tmp_path / "pictures" / "a.png", tmp_path / "pictures" / os.fsdecode(name))
    found = run("zip").results
    assert {"\ufffd.png", "\ufffd[31m.png"} < {picture.name for picture in found.pictures}
    write_report(found, tmp_path / "report")
    assert read(tmp_path / "report" / "results.json") == found


def test_a_cached_file_from_elsewhere_is_not_taken(run: Callable[..., Evaluated], here: Any, tmp_path: Path) -> None:
    report, file = tmp_path / "report", "files/zip/quality_10/a.png.nic"
    run("zip")
    shutil.copy(report / file, tmp_path / "elsewhere.nic")
    cache = report / "cache.jsonl"
    cache.write_text(cache.read_text().replace(file, "../elsewhere.nic"))
    here.calls.clear()
    assert by_picture(run("zip").results)["a.png"].file == file
    assert here.calls["code"] == 1


def test_each_picture_has_its_own_text(run: Callable[..., Evaluated], here: Any, tmp_path: Path) -> None:
    table = tmp_path / "captions.json"

    def texts(found: Evaluated) -> dict[str, bytes]:
        items = by_picture(found.results)
        return {
            name: nic_core.inspect((tmp_path / "report" / item.file).read_bytes()).params
            for name, item in items.items()
        }

    table.write_text(json.dumps({"a.png": "an a", "b.png": "a b", "sub/c.png": "a c"}))
    codec = f"zip:level=1,captions={table}"
    found = run(codec)
    assert texts(found) == {"a.png": b"an a", "b.png": b"a b", "sub/c.png": b"a c"}
    assert not found.failures

    table.write_text(json.dumps({"a.png": "an a", "b.png": "another b", "c.png": "a c"}))
    here.calls.clear()
    found = run(codec)  # only b.png's text is another
    assert here.calls == {"code": 2, "judge": 2}
    assert texts(found)["b.png"] == b"another b"

    table.write_text(json.dumps({"a.png": "an a", "c.png": "a c"}))
    here.calls.clear()
    found = run(codec)
    assert not here.calls and set(by_picture(found.results)) == {"a.png", "sub/c.png"}
    says = f"b.png failed: {table} has no text for {tmp_path / 'pictures' / 'b.png'}"
    assert set(found.failures) == {f"{codec}, quality {quality}: {says}" for quality in (10, 90)}


def test_no_text_for_the_first_picture(run: Callable[..., Evaluated], here: Any, tmp_path: Path) -> None:
    (tmp_path / "captions.json").write_text(json.dumps({"b.png": "a b"}))
    found = run(f"zip:captions={tmp_path / 'captions.json'}")
    assert set(by_picture(found.results)) == {"b.png"}
    assert len(found.failures) == 5 and "multiply-accumulates not counted" in found.failures[0]
    with pytest.raises(NicError, match=r"cannot read .*absent\.json"):
        NicContestant(f"zip:captions={tmp_path / 'absent.json'}").check()
    with pytest.raises(BadOption, match="give text or captions, not both"):
        NicContestant(f"zip:text=x,captions={tmp_path / 'captions.json'}").check()


def test_multiply_accumulates_of_a_convolution(monkeypatch: pytest.MonkeyPatch, zip_codec: Path) -> None:
    torch = pytest.importorskip("torch")
    convolution = torch.nn.Conv2d(3, 8, 5, padding=2)

    def encode(self: NicContestant, picture: Any, setting: Setting) -> bytes:
        with torch.inference_mode():
            convolution(torch.zeros(1, 3, 100, 200))
        return b""

    contestant = NicContestant("zip", "cpu")
    setting = contestant.settings()[0]
    opened = contestant._codec(setting).opened(next(iter(contestant._weights.values())))
    monkeypatch.setattr(type(opened), "model", convolution)
    monkeypatch.setattr(NicContestant, "encode", encode)
    monkeypatch.setattr(NicContestant, "decode", lambda *_: np.zeros((1, 1, 3)))
    counts = contestant.gmacs(Picture(np.zeros((8, 8, 3), np.uint8)), setting)
    assert counts == {"encode": 100 * 200 * 3 * 8 * 25 / 1e9, "decode": 0}


def test_peak_memory_is_that_of_the_measurement() -> None:
    # In a process of its own: not every system can begin a new maximum, and then this one's past would hide the block.
    script = """
import numpy as np
from nic_eval.measuring import coder

coder.reset_peak_memory()
before = coder.peak_memory()
block = np.ones(256 << 20, np.uint8)
print(coder.peak_memory() - before)
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 200 << 20 < int(answer.stdout) < 300 << 20


def test_a_coder_warms_up_once_for_each_set_of_weights(tmp_path: Path, pictures: Path) -> None:
    class Counting(baselines.PillowBaseline):
        encoded = 0

        def encode(self, picture: Any, setting: Setting) -> bytes:
            Counting.encoded += 1
            return super().encode(picture, setting)

    coder = Coder(Counting("png", "PNG", "png", (1,)))
    for i in range(3):
        coder.code(pictures / "a.png", Setting("one", 1), tmp_path / f"{i}.png")
    assert Counting.encoded == 4
    coder.code(pictures / "a.png", Setting("two", 1, "other weights"), tmp_path / "3.png")
    assert Counting.encoded == 6


def test_a_dead_worker_names_its_picture_and_the_rest_goes_on(run: Callable[..., Evaluated]) -> None:
    found = run("zip-rate@low", "zip:dies-at=41")
    died = [line for line in found.failures if "the worker process died" in line]
    assert len(died) == 2 and all("b.png" in line for line in died)
    rest = found.results.curves[1]
    assert [len(point.measurements) for point in rest.points] == [2, 2]


def test_lanes_use_processes_of_their_own(zip_codec: Path, pictures: Path, tmp_path: Path) -> None:
    engine = LocalEngine(Wanted(workers=1))
    lane = Lane(engine)
    try:
        contestant = NicContestant("zip", "cpu")
        lane.enter(contestant)
        setting = contestant.settings()[-1]
        coded = lane.code(pictures / "a.png", setting, tmp_path / "deep" / "a.nic")
        assert coded.bytes == (tmp_path / "deep" / "a.nic").stat().st_size
        assert np.array_equal(lane.decode(tmp_path / "deep" / "a.nic", setting), coded.decoded)
        assert lane.judge(["psnr"], pictures / "a.png", coded.decoded)["psnr"] == 100
        assert coded.peak_memory > 10 << 20
    finally:
        lane.leave()


def test_cache_survives_torn_and_damaged_lines(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    cache = Cache(path)
    cache.put("a", {"bytes": 3, "metrics": {"psnr": 30.0}})
    cache.put("a", {"metrics": {"lpips": 0.1}})
    cache.put("b", {"bytes": 4})
    with path.open("a") as file:
        file.write('[1]\n{"key": "c", "bytes": 5}\n{"key": "d", "by')
    again = Cache(path)
    assert again.get("a") == {"bytes": 3, "metrics": {"psnr": 30.0, "lpips": 0.1}}
    assert again.get("b") == {"bytes": 4} and again.get("c") == {"bytes": 5} and again.get("d") == {}
    again.put("d", {"bytes": 6})
    again.replace("a", {"bytes": 7})
    last = Cache(path)
    assert last.get("d") == {"bytes": 6} and last.get("a") == {"bytes": 7}


def test_file_hash(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert file_hash(tmp_path / "x").startswith("ba7816bf")
    with pytest.raises(NicError, match="cannot read"):
        file_hash(tmp_path / "y")
