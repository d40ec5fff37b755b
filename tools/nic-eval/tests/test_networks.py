"""What timm's networks make of pictures, with small ones of random weights: their figures say nothing of pictures."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nic_core.errors import BadOption, CannotRead
from nic_eval.metrics import catalogue as metrics
from nic_eval.metrics.catalogue import MetricUnavailable
from nic_eval.metrics.networks import SIDES, Network

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
from safetensors.torch import save_file  # noqa: E402


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Forget loaded metrics."""
    yield
    for loaded in (metrics.known, metrics.load, metrics.features):
        loaded.cache_clear()


@pytest.fixture
def random_weights(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a file of random weights for one of timm's networks."""

    def write(name: str, **how: Any) -> Path:
        torch.manual_seed(0)
        path = tmp_path / f"random-{name}.safetensors"
        save_file({key: value.contiguous() for key, value in timm.create_model(name, **how).state_dict().items()}, path)
        return path

    return write


def test_whether_a_classifier_keeps_the_class(
    random_weights: Callable[..., Path], make_picture: Callable[..., np.ndarray]
) -> None:
    path = random_weights("test_resnet", num_classes=7)
    measure = metrics.load(f"top1:test_resnet@{path}")
    model = timm.create_model("test_resnet", num_classes=7, checkpoint_path=str(path)).eval()
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)

    def best(pixels: np.ndarray) -> int:
        from PIL import Image

        with torch.inference_mode():
            return int(model(prepare(Image.fromarray(pixels))[None]).argmax())

    pictures = [
        make_picture(200, 180, seed) if seed < 4 else 40 * seed - make_picture(200, 180, seed) for seed in range(6)
    ]
    noise = np.random.default_rng(0).integers(0, 255, (200, 180, 3), np.uint8)
    values = {float(best(one) == best(other)) for one in [*pictures, noise] for other in pictures}
    assert {measure(one, other) for one in [*pictures, noise] for other in pictures} == values
    assert all(measure(one, other) == (best(one) == best(other)) for one in pictures for other in (one, noise))
    assert values == {0.0, 1.0}


def test_features_of_whole_pictures(
    random_weights: Callable[..., Path], make_picture: Callable[..., np.ndarray]
) -> None:
    path = random_weights("test_vit")
    features = metrics.features(f"fd:test_vit@{path}")
    model = timm.create_model("test_vit", checkpoint_path=str(path)).eval()
    model.reset_classifier(0)
    picture = torch.from_numpy(make_picture(160, 160)).permute(2, 0, 1)[None]
    config = timm.data.resolve_model_data_config(model)
    mean, spread = (torch.tensor(config[key]).view(-1, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        expected = model((picture / 255 - mean) / spread)
        found = features(picture)
        assert features(torch.from_numpy(make_picture(90, 70)).permute(2, 0, 1)[None]).shape == found.shape
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_dinov2_sees_pictures_of_224_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the paper; a small network with random weights stands for it."""
    made: dict[str, Any] = {}

    def create(name: str, pretrained: bool, **own: Any) -> Any:
        made.update(own, name=name, pretrained=pretrained)
        return timm_create("test_vit", **own)

    timm_create = timm.create_model
    monkeypatch.setattr(timm, "create_model", create)
    features = metrics.features("fd")
    assert made == {"img_size": 224, "name": "vit_large_patch14_dinov2.lvd142m", "pretrained": True}
    with torch.inference_mode():
        assert features(torch.zeros(1, 3, 40, 30, dtype=torch.uint8)).shape == (1, 64)
    assert list(SIDES.values()) == [224]


def test_weights_of_another_network_are_refused(random_weights: Callable[..., Path]) -> None:
    path = random_weights("test_vit")
    for name in (f"top1:test_resnet@{path}", f"fd:test_resnet@{path}"):
        load = metrics.load if name.startswith("top1") else metrics.features
        with pytest.raises(MetricUnavailable, match=r"is not measured: the network of timm cannot be had \(") as error:
            load(name)
        assert "\n" not in str(error.value)


def test_weights_that_run_code_are_refused(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"fc.weight": Harm()}, tmp_path / "w.pth")
    with pytest.raises(MetricUnavailable, match="cannot be had"):
        metrics.load(f"top1:test_resnet@{tmp_path / 'w.pth'}")
    assert not (tmp_path / "harm").exists()


def test_what_cannot_be_measured_is_one_line(
    random_weights: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MetricUnavailable, match=r"^top1:resnet is not measured: timm knows no model 'resnet'$"):
        metrics.load("top1:resnet")
    path = random_weights("test_vit", num_classes=0)
    with pytest.raises(MetricUnavailable, match=r"is not measured: test_vit is no classifier$"):
        metrics.load(f"top1:test_vit@{path}")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no network\nhere")

    monkeypatch.setattr(timm.models._hub, "hf_hub_download", fail)
    for load, name in ((metrics.load, "top1:resnet18.a1_in1k"), (metrics.features, "fd:test_vit.r160_in1k")):
        with pytest.raises(MetricUnavailable) as error:
            load(name)
        assert str(error.value) == f"{name} is not measured: the network of timm cannot be had (no network here)"


def test_names_of_networks(random_weights: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(BadOption, match=r"^top1 needs the name of a network, such as top1:resnet50\.a1_in1k$"):
        metrics.find(["top1"])
    with pytest.raises(CannotRead, match=r"absent\.safetensors: no such file$"):
        metrics.find([f"fd:test_vit@{tmp_path / 'absent.safetensors'}"])
    assert Network.parse("hf-hub:a/b@w.pth") == Network("hf-hub:a/b", Path("w.pth"))
    path = random_weights("test_vit")
    keys = set()
    for last in (b"\x01", b"\x02"):  # other weights, other figures
        path.write_bytes(path.read_bytes()[:-1] + last)
        metrics.known.cache_clear()
        keys.add(metrics.find([f"fd:test_vit@{path}"])[0].key)
    assert len(keys) == 2
    assert metrics.ordered(["fd:x", "no such", "top1:y", "psnr", "fd:x"]) == ["psnr", "fd:x", "top1:y"]
