"""FID and KID of two folders of whole pictures, as generative models are measured; `patches` has those of patches."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from nic_core.errors import BadOption, NicError
from rich.console import Console
from torch import Tensor

from nic_eval.contestants.contestant import read_original, rgb
from nic_eval.files import find_pictures
from nic_eval.metrics.catalogue import METRICS, auto_device, inception, quiet
from nic_eval.terminal import progress

BATCH = 16
"""Pictures that are read, and go through the network, at once."""

KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000
"""KID is the mean over so many random subsets of each side, of so many pictures, or of all where there are fewer."""

FEW = 2048
"""Pictures up to which the covariances of as many features are singular, and FID depends on their number most."""

Features = Callable[[Tensor], Tensor]
"""Turns pictures, uint8 (N, 3, H, W), into features (N, D)."""


@dataclass(frozen=True)
class Distance:
    """How far the pictures of two folders are apart.

    reference, decoded: how many pictures each has. kid_subset_size: pictures in each of KID's subsets.
    """

    fid: float
    kid: float
    reference: int
    decoded: int
    kid_subset_size: int


def distance(reference: Path, decoded: Path, device: str = "auto", features: Features | None = None) -> Distance:
    """Return FID and KID of the pictures below one folder against those below another, which need not be as many.

    device: "auto", "cpu", "cuda", "cuda:1", "mps". features: of what network, None for Inception v3.

    Raises NicError for a folder with fewer than two pictures, BadPicture for a picture that cannot be read (no figure
    is of other pictures than asked for), MetricUnavailable where the network cannot be had, BadOption for the device.
    """
    sides = {folder: find_pictures(folder) for folder in (reference, decoded)}
    for folder, paths in sides.items():
        if len(paths) < 2:
            raise NicError(f"FID needs two pictures at least, {folder} has one")
    features = features or inception_features(device)
    first, second = sides[reference], sides[decoded]
    with progress(Console(stderr=True), "measuring", len(first) + len(second)) as advance:
        of_first, of_second = (_all_features(paths, features, advance) for paths in (first, second))
    subset = min(KID_SUBSET_SIZE, len(first), len(second))
    with quiet():
        from torch_fidelity import metric_fid, metric_kid  # an optional dependency

        statistics = [metric_fid.fid_features_to_statistics(found) for found in (of_second, of_first)]
        fid = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)[metric_fid.KEY_METRIC_FID]
        kid = metric_kid.kid_features_to_metric(
            of_second, of_first, kid_subsets=KID_SUBSETS, kid_subset_size=subset, verbose=False
        )[metric_kid.KEY_METRIC_KID_MEAN]
    return Distance(float(fid), float(kid), len(first), len(second), subset)


def inception_features(device: str) -> Features:
    """Return the features that FID is defined by: the last pooling of Inception v3, D = 2048. See `distance`."""
    network = inception(METRICS["fid"])
    try:
        place = auto_device() if device == "auto" else torch.device(device)
        network.to(place)
    except (RuntimeError, AssertionError) as error:
        raise BadOption(f"the device {device!r} is not available: {str(error).splitlines()[0]}") from error
    return lambda pictures: network(pictures.to(place))[0].cpu()


def _all_features(paths: Sequence[Path], features: Features, advance: Callable[[str], None]) -> Tensor:
    """Return the features of pictures of any sizes, (N, D); those of one size go through the network together."""
    found = []
    with ThreadPoolExecutor() as threads, torch.inference_mode():
        for start in range(0, len(paths), BATCH):
            chunk = paths[start : start + BATCH]
            pictures = threads.map(lambda path: rgb(read_original(path).pixels), chunk)
            for _, same in groupby(sorted(pictures, key=np.shape), np.shape):
                found.append(features(torch.from_numpy(np.stack(list(same))).permute(0, 3, 1, 2)))
            for path in chunk:
                advance(path.name)
    return torch.cat(found)
