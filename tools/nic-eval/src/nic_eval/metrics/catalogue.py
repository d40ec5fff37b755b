"""Quality metrics of one picture, each from a well-kept library, loaded when it is first used.

A metric whose library or network cannot be had raises `MetricUnavailable`: nothing is computed with random weights.
"""

import contextlib
import io
import logging
import math
import platform
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from nic_core.errors import BadOption, NicError

Measure = Callable[[np.ndarray, np.ndarray], float | None]
"""Original and decoded picture, uint8 (H, W, 3) -> value; None where a picture is too small."""

PSNR_CAP = 100.0
"""What identical pictures count as, in dB; a mean over infinity says nothing."""

SMALLEST_MS_SSIM = 161
"""Pixels that each side needs: MS-SSIM halves four times and then looks through a window of 11."""


class MetricUnavailable(NicError):
    """A metric's library is not installed, or its network cannot be had."""


@dataclass(frozen=True)
class Metric:
    """A metric by name.

    load: returns the measure; raises anything where it cannot. package: the distribution it comes from, empty for our
    own. higher_is_better: its direction. of_set: computed from all pictures at once, see `patches`.
    """

    name: str
    label: str
    package: str
    higher_is_better: bool
    load: Callable[[], Measure] | None = None

    @property
    def of_set(self) -> bool:
        """Whether it is one number for all pictures."""
        return self.load is None

    @property
    def key(self) -> str:
        """What values are kept under: another version of the library may compute others."""
        return f"{self.name} {installed(self.package)}" if self.package else self.name


def installed(package: str) -> str:
    """Return the version of a distribution, empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def versions(metrics: Iterable[Metric]) -> dict[str, str]:
    """Return the versions that decide the figures."""
    packages = ["nic-core", "nic-nn", "nic-eval", "torch", "pillow", "numpy", "bjontegaard"]
    packages += [metric.package for metric in metrics if metric.package]
    found = {package: installed(package) for package in packages}
    return {"python": platform.python_version(), **{name: version for name, version in found.items() if version}}


def psnr(original: np.ndarray, decoded: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB, from the mean squared error over all pixels and channels."""
    error = float(np.mean(np.square(original.astype(np.float32) - decoded.astype(np.float32)), dtype=np.float64))
    return min(10 * math.log10(255**2 / error), PSNR_CAP) if error else PSNR_CAP


def _ms_ssim() -> Measure:
    from pytorch_msssim import ms_ssim  # torch is slow to import

    def measure(original: np.ndarray, decoded: np.ndarray) -> float | None:
        if min(original.shape[:2]) < SMALLEST_MS_SSIM:
            return None
        return float(ms_ssim(_tensor(original), _tensor(decoded), data_range=255.0))

    return measure


def _lpips() -> Measure:
    import lpips  # an optional dependency
    import torch

    network = lpips.LPIPS(net="alex", pretrained=True, pnet_rand=False, verbose=False).eval().to(auto_device())

    def measure(original: np.ndarray, decoded: np.ndarray) -> float:
        with torch.inference_mode():
            return float(network(_tensor(original) / 255, _tensor(decoded) / 255, normalize=True))

    return measure


def _dists() -> Measure:
    import torch
    from DISTS_pytorch import DISTS  # an optional dependency

    network = DISTS(load_weights=True).eval().to(auto_device())

    def measure(original: np.ndarray, decoded: np.ndarray) -> float:
        with torch.inference_mode():
            return float(network(_tensor(original) / 255, _tensor(decoded) / 255))

    return measure


def _clip() -> Measure:
    import open_clip  # an optional dependency
    import torch
    from PIL import Image

    # OpenAI's weights were trained with QuickGELU, which the name of the model does not say.
    network, _, prepare = open_clip.create_model_and_transforms(
        "ViT-B-32", pretrained="openai", force_quick_gelu=True, device=auto_device()
    )
    network.eval()

    def embedding(pixels: np.ndarray) -> Any:
        return network.encode_image(prepare(Image.fromarray(pixels))[None].to(auto_device()), normalize=True)

    def measure(original: np.ndarray, decoded: np.ndarray) -> float:
        with torch.inference_mode():
            return float((embedding(original) * embedding(decoded)).sum())

    return measure


METRICS = {
    metric.name: metric
    for metric in (
        Metric("psnr", "PSNR (dB)", "", True, lambda: psnr),
        Metric("ms-ssim", "MS-SSIM", "pytorch-msssim", True, _ms_ssim),
        Metric("lpips", "LPIPS (AlexNet)", "lpips", False, _lpips),
        Metric("dists", "DISTS", "DISTS-pytorch", False, _dists),
        Metric("clip", "CLIP similarity", "open-clip-torch", True, _clip),
        Metric("fid", "FID of 256-pixel patches", "torch-fidelity", False),
        Metric("kid", "KID of 256-pixel patches", "torch-fidelity", False),
    )
}
"""Every metric that can be asked for."""


def find(names: Iterable[str]) -> list[Metric]:
    """Return metrics by name; BadOption, listing all, for an unknown one."""
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in METRICS:
            raise BadOption(f"no metric is called {name!r}; there are {', '.join(METRICS)}")
    return [METRICS[name] for name in wanted]


@cache
def load(name: str) -> Measure:
    """Return the measure of a metric, loaded once; MetricUnavailable, in one line, where it cannot be had."""
    metric = METRICS[name]
    if metric.load is None:
        raise BadOption(f"{name} is no metric of a single picture")
    with explained(metric), quiet():
        return metric.load()


def inception(metric: Metric) -> Any:
    """Return torch-fidelity's Inception v3, the network of FID and KID; MetricUnavailable where it cannot be had.

    It turns uint8 (N, 3, H, W) of any size into a tuple with the 2048 pooled features of each.
    """
    with explained(metric), quiet():
        from torch_fidelity.utils import create_feature_extractor  # an optional dependency

        return create_feature_extractor("inception-v3-compat", ["2048"], cuda=False, verbose=False)


@contextlib.contextmanager
def explained(metric: Metric) -> Iterator[None]:
    """Turn whatever goes wrong while a metric is loaded into one line that says what is missing."""
    try:
        yield
    except ImportError as error:
        raise MetricUnavailable(
            f"{metric.name} is not measured: it needs {error.name or metric.package} (pip install {metric.package})"
        ) from error
    except Exception as error:  # libraries raise what they like when a download fails
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MetricUnavailable(
            f"{metric.name} is not measured: the network of {metric.package} cannot be had ({reason[:200]})"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries from reporting their loading on the terminal; errors are still raised."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@cache
def auto_device() -> Any:
    """Return the device that networks run on if none is asked for."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _tensor(pixels: np.ndarray) -> Any:
    """Return uint8 (H, W, 3) as float (1, 3, H, W), 0 to 255."""
    import torch

    return torch.from_numpy(pixels.copy()).to(auto_device()).permute(2, 0, 1)[None].float()
