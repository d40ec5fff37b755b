"""Every metric by its name.

A metric whose library or network cannot be had raises `MetricUnavailable`: nothing is computed with random weights.
"""

import platform
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, partial

import numpy as np
from nic_core.errors import BadOption, CannotRead

from nic_eval.metrics import networks
from nic_eval.metrics.metric import (
    KID_SUBSET_SIZE,
    Distance,
    Features,
    Kind,
    Measure,
    Metric,
    MetricUnavailable,
    auto_device,
    explained,
    installed,
    quiet,
)
from nic_eval.metrics.networks import DINOV2, Network, inception, inception_pooled
from nic_eval.metrics.pairs import SMALLEST_LPIPS, SMALLEST_MS_SSIM, clip, dists, lpips, ms_ssim, psnr

__all__ = [
    "KID_SUBSET_SIZE",
    "METRICS",
    "Measure",
    "Metric",
    "MetricUnavailable",
    "auto_device",
    "explained",
    "features",
    "find",
    "inception",
    "installed",
    "known",
    "load",
    "ordered",
    "psnr",
    "quiet",
    "versions",
]

PATCH = 256
"""Pixels of a side of the patches of FID and KID; smaller pictures have none."""

INCEPTION = "inception-v3-compat"


def _patches(kind: Kind) -> Distance:
    return Distance(kind, "patches", INCEPTION, inception_pooled)


def _pictures(kind: Kind) -> Distance:
    return Distance(kind, "pictures", INCEPTION, inception_pooled)


def _class_kept(name: str, network: Network) -> Metric:
    """Return the metric whether a classifier finds the same class."""
    label = f"Class kept ({network.architecture})"
    return Metric(name, label, "timm", True, partial(networks.classifier, network), weights=network.file)


def _feature_distance(name: str, network: Network) -> Metric:
    """Return the Frechet distance of a network's features."""
    label = "FD of DINOv2 features" if network.architecture == DINOV2 else f"FD of features ({network.architecture})"
    distance = Distance("frechet", "pictures", str(network), networks.features_of(network))
    return Metric(name, label, "timm", False, distance=distance, weights=network.file)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("psnr", "PSNR (dB)", "", True, lambda: psnr),
        Metric("ms-ssim", "MS-SSIM", "pytorch-msssim", True, ms_ssim, smallest=SMALLEST_MS_SSIM),
        Metric("lpips", "LPIPS (AlexNet)", "lpips", False, lpips, smallest=SMALLEST_LPIPS),
        Metric("dists", "DISTS", "DISTS-pytorch", False, dists),
        Metric("clip", "CLIP similarity", "open-clip-torch", True, clip),
        Metric("fid", "FID of 256-pixel patches", "torch-fidelity", False, None, _patches("frechet"), PATCH),
        Metric("kid", "KID of 256-pixel patches", "torch-fidelity", False, None, _patches("kernel"), PATCH),
        Metric("fid-whole", "FID of whole pictures", "torch-fidelity", False, None, _pictures("frechet")),
        Metric("kid-whole", "KID of whole pictures", "torch-fidelity", False, None, _pictures("kernel")),
        Metric(
            "lpips-unit",
            "LPIPS of values in [0, 1] (AlexNet)",
            "lpips",
            False,
            partial(lpips, unit=True),
            smallest=SMALLEST_LPIPS,
        ),
        _feature_distance("fd", Network(DINOV2)),
    )
}
"""Every metric that has a name of its own."""

FAMILIES = {"top1": _class_kept, "fd": _feature_distance}
"""Metrics of any of timm's networks, "top1:NAME[@FILE]"."""


@cache
def known(name: str) -> Metric | None:
    """Return a metric by name, None where there is none; nothing is loaded."""
    family, _, network = name.partition(":")
    if network and family in FAMILIES:
        return FAMILIES[family](name, Network.parse(network))
    return METRICS.get(name)


def ordered(names: Iterable[str]) -> list[str]:
    """Return the names that are metrics', once each, in the order of tables and plots."""
    found = [name for name in dict.fromkeys(names) if known(name)]
    return [*(name for name in METRICS if name in found), *(name for name in found if name not in METRICS)]


def find(names: Iterable[str], kid_subset_size: int = KID_SUBSET_SIZE) -> list[Metric]:
    """Return metrics by name; BadOption, listing all, for an unknown one, CannotRead for weights that are not there.

    kid_subset_size: pictures, or patches, in each of KID's subsets.
    """
    found = []
    for name in dict.fromkeys(names):
        metric = known(name)
        if metric is None:
            if name.rstrip(":") in FAMILIES:
                raise BadOption(f"{name} needs the name of a network, such as {name.rstrip(':')}:resnet50.a1_in1k")
            there = ", ".join([*METRICS, *(f"{family}:MODEL" for family in FAMILIES)])
            raise BadOption(f"no metric is called {name!r}; there are {there}")
        if metric.weights and not metric.weights.is_file():
            raise CannotRead(f"{metric.weights}: no such file")
        found.append(replace(metric, subset=kid_subset_size) if metric.of_subsets else metric)
    return found


@cache
def load(name: str) -> Measure:
    """Return the measure of a metric, loaded once; MetricUnavailable, in one line, where it cannot be had."""
    metric = known(name)
    if metric is None or metric.load is None:
        raise BadOption(f"{name} is no metric of a single picture")
    with explained(metric), quiet():
        measure = metric.load()

    def measured(original: np.ndarray, decoded: np.ndarray) -> float | None:
        return measure(original, decoded) if min(original.shape[:2]) >= metric.smallest else None

    return measured


@cache
def features(name: str) -> Features:
    """Return what a distance of whole pictures is taken of, loaded once; MetricUnavailable as from `load`."""
    metric = known(name)
    if metric is None or metric.distance is None:
        raise BadOption(f"{name} is no metric of all pictures")
    with explained(metric), quiet():
        return metric.distance.load()


def versions(metrics: Iterable[Metric]) -> dict[str, str]:
    """Return the versions that decide the figures."""
    packages = ["nic-core", "nic-nn", "nic-eval", "torch", "pillow", "numpy", "bjontegaard"]
    packages += [metric.package for metric in metrics if metric.package]
    found = {package: installed(package) for package in packages}
    return {"python": platform.python_version(), **{name: version for name, version in found.items() if version}}
