import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nic_core.cli import run
from nic_eval.measuring import sets
from nic_eval.results import Results, read

torch = pytest.importorskip("torch")


def random_test_features(pictures: Any) -> Any:
    """Return three numbers of each picture, (N, 3): for tests, no network is asked."""
    return pictures.float().mean((2, 3))


@pytest.fixture
def measure(zip_codec: Path, here: Any, pictures: Path, tmp_path: Path) -> Callable[..., Results]:
    """Return a function that runs `nic eval` on the pictures, and returns what it found."""

    def start(*arguments: str, code: int = 0) -> Results:
        out = tmp_path / "report"
        command = ["eval", "--data", str(pictures), "--qualities", "20,90", "--metrics", "psnr", "--out", str(out)]
        assert run([*command, *arguments, "--device", "cpu"]) == code
        return read(out / "results.json")

    return start


def test_rates_are_estimated_without_files(measure: Callable[..., Results], here: Any, tmp_path: Path) -> None:
    found = measure("--codec", "zip-model", "--estimate")
    (curve,) = found.curves
    assert curve.name == "zip-model (estimated)" and "the model's estimates, without files" in curve.description
    assert here.calls["estimate"] == 6 and not here.calls["code"]
    assert not list(tmp_path.rglob("*.nic"))
    for item in curve.points[0].measurements:
        width, height = (41, 40) if item.picture == "b.png" else (48, 40)
        assert (item.encode_s, item.decode_s, item.peak_memory, item.file) == (None, None, 0, "")
        assert item.bytes == math.ceil(item.bpp * width * height / 8)
    assert curve.points[0].metrics["psnr"] < curve.points[1].metrics["psnr"]
    assert (tmp_path / "report" / "results.csv").read_text().splitlines()[1].endswith(",,,0")

    here.calls.clear()
    assert measure("--codec", "zip-model", "--estimate").curves == found.curves
    assert not here.calls["estimate"]


def test_estimates_lie_beside_files(measure: Callable[..., Results], capsys: pytest.CaptureFixture[str]) -> None:
    real, estimated = measure("--codec", "zip-model", "--estimate", "both").curves
    assert (real.name, estimated.name) == ("zip-model", "zip-model (estimated)")
    for one, other in zip(real.points, estimated.points, strict=True):
        assert 0.7 * one.bpp < other.bpp < one.bpp
        assert one.metrics == other.metrics
    table = capsys.readouterr().out
    assert "| zip-model (estimated) |" in table
    inverted = measure("--codec", "zip-model:invert=true", "--estimate=only").curves[0]
    assert inverted.points[1].metrics["psnr"] < 15  # options of decoding count, too


def test_codecs_that_estimate_nothing_are_named(
    measure: Callable[..., Results], capsys: pytest.CaptureFixture[str]
) -> None:
    found = measure("--codec", "zip", "--codec", "zip-model", "--estimate", code=1)
    assert [curve.name for curve in found.curves] == ["zip-model (estimated)"]
    assert "nic: skipped zip (estimated): zip has no model that estimates rates\n" in capsys.readouterr().err
    found = measure("--codec", "zip-model:text=estimates nothing", "--baseline", "jpeg", "--estimate", code=1)
    assert [curve.name for curve in found.curves] == ["jpeg"]
    assert "a.png failed: ZeroDivisionError: in the model" in capsys.readouterr().err


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Replace the network of distances; return how many pictures it was given for each metric."""
    asked: dict[str, int] = {}

    def of(name: str) -> Callable[[Any], Any]:
        def counted(pictures: Any) -> Any:
            asked[name] = asked.get(name, 0) + len(pictures)
            return random_test_features(pictures)

        return counted

    monkeypatch.setattr(sets, "features", of)
    yield asked


def test_distances_of_whole_pictures(
    measure: Callable[..., Results], features: dict[str, int], pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch_fidelity")
    wanted = "psnr,fid-whole,kid-whole,fd:test_vit"
    small = ("--metrics", wanted, "--kid-subset-size", "3")
    found = measure("--codec", "zip-model", "--estimate", "both", *small)
    real, estimated = found.curves
    for point, other in zip(real.points, estimated.points, strict=True):
        assert set(point.metrics) == {"psnr", "fid-whole", "kid-whole", "fd:test_vit"}
        assert point.metrics == pytest.approx(other.metrics)
        assert point.metrics["fid-whole"] == pytest.approx(point.metrics["fd:test_vit"])  # the same stand-in
    assert real.points[0].metrics["fid-whole"] > real.points[1].metrics["fid-whole"] > 0
    # FID and KID share a network, and the originals' features are computed once.
    assert features == {"fid-whole": 3 + 4 * 3, "fd:test_vit": 3 + 4 * 3}
    says = "fid-whole: a distance of 2048 pictures or fewer depends on their number most of all"
    assert says in found.notes

    features.clear()
    measure("--codec", "zip-model", "--estimate", "both", *small)
    assert not features
    capsys.readouterr()
    found = measure("--codec", "zip-model", "--metrics", "psnr,kid-whole")
    says = "kid-whole is not measured: there are 3 pictures, it needs 1000 (--kid-subset-size)"
    assert says in found.notes and f"nic: {says}" in capsys.readouterr().err


def test_distances_by_a_network_of_a_file(measure: Callable[..., Results], tmp_path: Path) -> None:
    """A small one with random weights: its figures say nothing of pictures."""
    timm = pytest.importorskip("timm")
    pytest.importorskip("torch_fidelity")
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path / "random.safetensors"
    save_file(timm.create_model("test_vit").state_dict(), path)
    distance, kept = f"fd:test_vit@{path}", f"top1:test_vit@{path}"
    found = measure("--codec", "zip-model", "--metrics", f"psnr,{distance},{kept}")
    first, last = (point.metrics for point in found.curves[0].points)
    assert first[distance] > last[distance] > -1e-6
    assert 0 <= first[kept] <= 1 and round(3 * first[kept], 6) in (0, 1, 2, 3)
    report = tmp_path / "report"
    assert {path.suffix for path in (report / "plots").iterdir()} == {".svg", ".png"}
    assert len(list((report / "plots").glob("psnr-over-*.svg"))) == 2
    assert distance in (report / "points.csv").read_text()


def test_small_pictures_leave_a_mean_and_not_the_point(
    measure: Callable[..., Results], pictures: Path, make_picture: Callable[..., np.ndarray]
) -> None:
    from PIL import Image

    Image.fromarray(make_picture(161, 170, 5)).save(pictures / "large.png")
    found = measure("--codec", "zip-model", "--metrics", "psnr,ms-ssim")
    for point in found.curves[0].points:
        assert len(point.measurements) == 4
        (large,) = (item for item in point.measurements if item.picture == "large.png")
        assert point.metrics["ms-ssim"] == large.metrics["ms-ssim"]
        assert point.metrics["psnr"] == pytest.approx(np.mean([item.metrics["psnr"] for item in point.measurements]))
    assert "ms-ssim: means over 1 of 4 pictures, the others are too small for it" in found.notes
