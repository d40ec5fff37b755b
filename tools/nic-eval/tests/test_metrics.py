import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nic_core.errors import BadOption
from nic_eval.measuring.coder import unavailable
from nic_eval.metrics import catalogue as metrics
from nic_eval.metrics.catalogue import METRICS, MetricUnavailable
from nic_eval.metrics.pairs import SMALLEST_LPIPS


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Forget loaded metrics."""
    metrics.load.cache_clear()
    yield
    metrics.load.cache_clear()


def test_psnr_is_that_of_the_mean_squared_error() -> None:
    original = np.full((8, 8, 3), 100, np.uint8)
    decoded = original.copy()
    decoded[..., 0] += 3  # a mean squared error of 3
    assert metrics.psnr(original, decoded) == pytest.approx(10 * np.log10(255**2 / 3))
    assert metrics.psnr(decoded, original) == metrics.psnr(original, decoded)


def test_psnr_of_identical_pictures_is_capped() -> None:
    original = np.zeros((8, 8, 3), np.uint8)
    assert metrics.psnr(original, original) == 100


def test_ms_ssim(make_picture: Callable[..., np.ndarray]) -> None:
    measure = metrics.load("ms-ssim")
    original = make_picture(161, 170)
    noisy = np.clip(original + np.random.default_rng(0).normal(0, 20, original.shape), 0, 255).astype(np.uint8)
    assert measure(original, original) == pytest.approx(1)
    value = measure(original, noisy)
    assert value is not None and 0.2 < value < 0.98
    assert measure(original[:160], noisy[:160]) is None


@pytest.mark.parametrize("name", ["lpips", "dists"])
def test_no_network_no_number(name: str, offline: None, make_picture: Callable[..., np.ndarray]) -> None:
    pytest.importorskip({"lpips": "lpips", "dists": "DISTS_pytorch"}[name])
    with pytest.raises(MetricUnavailable, match=f"^{name} is not measured: .*no network here") as error:
        metrics.load(name)
    assert "\n" not in str(error.value)
    assert list(unavailable(["psnr", name])) == [name]


def test_inception_without_network(offline: None) -> None:
    pytest.importorskip("torch_fidelity")
    with pytest.raises(MetricUnavailable, match=r"^fid is not measured: .*no network here"):
        metrics.inception(METRICS["fid"])


def test_clip_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, pretrained: str, **_: Any) -> None:
        assert (name, pretrained) == ("ViT-B-32", "openai")
        raise RuntimeError("Failed to download weights\nfor tag 'openai'")

    monkeypatch.setitem(sys.modules, "open_clip", types.SimpleNamespace(create_model_and_transforms=fail))
    with pytest.raises(MetricUnavailable, match=r"^clip is not measured: .*Failed to download weights for tag"):
        metrics.load("clip")


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(MetricUnavailable, match="pip install lpips"):
        metrics.load("lpips")


def test_loading_is_quiet(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def noisy(*_: Any, **__: Any) -> None:
        print("downloading")
        raise OSError("no")

    monkeypatch.setitem(sys.modules, "open_clip", types.SimpleNamespace(create_model_and_transforms=noisy))
    with pytest.raises(MetricUnavailable):
        metrics.load("clip")
    assert capfd.readouterr() == ("", "")


def test_lpips_of_values_in_the_unit_range(
    monkeypatch: pytest.MonkeyPatch, make_picture: Callable[..., np.ndarray]
) -> None:
    torch = pytest.importorskip("torch")

    class Differs(torch.nn.Module):
        """What LPIPS does with its input, without a network."""

        def forward(self, one: Any, other: Any, normalize: bool) -> Any:
            assert min(one.min(), other.min()) >= 0 and max(one.max(), other.max()) <= 1
            return (2 if normalize else 1) * (one - other).abs().mean()

    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=lambda **_: Differs()))
    first, second = make_picture(), make_picture(seed=1)
    usual, unit = (metrics.load(name)(first, second) for name in ("lpips", "lpips-unit"))
    assert usual is not None and usual == pytest.approx(2 * unit) and unit > 0
    assert METRICS["lpips"].key != METRICS["lpips-unit"].key


@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than a weight enum")
def test_the_smallest_picture_of_lpips_is_that_of_its_network() -> None:
    """With random weights: the size is all that is looked at."""
    torch = pytest.importorskip("torch")
    lpips = pytest.importorskip("lpips")
    network = lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False).eval()
    side = SMALLEST_LPIPS
    assert network(*torch.rand(2, 1, 3, side, side)).numel() == 1
    with pytest.raises(RuntimeError):
        network(*torch.rand(2, 1, 3, side - 1, side))


def test_values_of_other_subsets_are_kept_apart() -> None:
    (usual,), (small,) = metrics.find(["kid"]), metrics.find(["kid"], 50)
    assert usual.key == f"kid {metrics.installed('torch-fidelity')}" and small.key == f"{usual.key} of 50"
    assert metrics.find(["fid"], 50)[0].key == METRICS["fid"].key


def test_unknown_metrics_list_the_known_ones() -> None:
    with pytest.raises(BadOption, match=r"'ssim'.*psnr, ms-ssim, lpips, dists, clip, fid, kid"):
        metrics.find(["psnr", "ssim"])
    assert [metric.name for metric in metrics.find(["fid", "psnr", "fid"])] == ["fid", "psnr"]


def test_patch_grids() -> None:
    from nic_eval.metrics import patches

    first = [(0, 0), (0, 256), (0, 512), (256, 0), (256, 256), (256, 512)]
    assert patches.grid(512, 768) == [*first, (128, 128), (128, 384)]
    assert 24 * len(patches.grid(512, 768)) == 192  # what the paper counts on Kodak
    assert patches.grid(256, 256) == [(0, 0)]
    assert patches.grid(384, 384) == [(0, 0), (128, 128)]
    assert patches.grid(383, 384) == [(0, 0)]
    assert patches.grid(255, 4000) == []


def test_too_few_patches_are_refused() -> None:
    from nic_eval.metrics import patches

    assert "192 patches" in patches.refusal([(512, 768)] * 24, METRICS["kid"])
    assert "--kid-subset-size" in patches.refusal([(512, 768)] * 24, METRICS["kid"])
    assert patches.refusal([(512, 768)] * 24, metrics.find(["kid"], 192)[0]) == ""
    assert "192 patches" in patches.refusal([(512, 768)] * 24, metrics.find(["fid"], 192)[0])
    assert patches.refusal([(512, 768)] * 125, METRICS["kid"]) == ""
    assert "999 patches" in patches.refusal([(256, 256)] * 999, METRICS["fid"])


def test_fid_and_kid_see_every_patch_of_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_picture: Callable[..., np.ndarray]
) -> None:
    from nic_eval.metrics import patches

    originals = [make_picture(384, 390, seed) for seed in (1, 2)]
    decoded = [255 - picture for picture in originals]
    loaded: list[int] = []

    def loader(i: int) -> Callable[[], np.ndarray]:
        return lambda: (loaded.append(i), decoded[i])[1]

    def calculate(input1: Any, input2: Any, fid: bool, kid: bool, kid_subset_size: int, **_: Any) -> dict[str, float]:
        assert (fid, kid, kid_subset_size, len(input1), len(input2)) == (True, True, 1000, 4, 4)
        seen, wanted = [[data[i].numpy().transpose(1, 2, 0) for i in range(4)] for data in (input1, input2)]
        assert np.array_equal(seen[3], decoded[1][128:384, 128:384])
        assert all(np.array_equal(x, 255 - y) for x, y in zip(seen, wanted, strict=True))
        return {"frechet_inception_distance": 12.5, "kernel_inception_distance_mean": 0.25}

    monkeypatch.setitem(sys.modules, "torch_fidelity", types.SimpleNamespace(calculate_metrics=calculate))
    found = patches.measure(
        ["fid", "kid"],
        [loader(i) for i in range(2)],
        [lambda i=i: originals[i] for i in range(2)],
        [(384, 390)] * 2,
        tmp_path,
    )
    assert found == {"fid": 12.5, "kid": 0.25}
    assert loaded == [0, 1]
