"""FID and KID of two folders of whole pictures, as generative models are measured; `patches` has those of patches."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

import torch
from nic_core.errors import BadOption, NicError
from rich.console import Console

from nic_eval.contestants.contestant import read_original, rgb
from nic_eval.files import find_pictures
from nic_eval.metrics import distances
from nic_eval.metrics.catalogue import METRICS, auto_device, inception
from nic_eval.metrics.distances import KID_SUBSETS
from nic_eval.metrics.metric import FEW, KID_SUBSET_SIZE, Features, Load
from nic_eval.terminal import progress

__all__ = ["FEW", "KID_SUBSETS", "Distance", "distance", "inception_features"]


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


def distance(
    reference: Path,
    decoded: Path,
    device: str = "auto",
    features: Features | None = None,
    kid_subset_size: int | None = None,
) -> Distance:
    """Return FID and KID of the pictures below one folder against those below another, which need not be as many.

    device: "auto", "cpu", "cuda", "cuda:1", "mps". features: of what network, None for Inception v3.
    kid_subset_size: None for 1000, or all pictures where there are fewer.

    Raises NicError for a folder with fewer than two pictures, BadPicture for a picture that cannot be read (no figure
    is of other pictures than asked for), MetricUnavailable where the network cannot be had, BadOption for the device
    and for subsets that are larger than a folder.
    """
    sides = {folder: find_pictures(folder) for folder in (reference, decoded)}
    for folder, paths in sides.items():
        if len(paths) < 2:
            raise NicError(f"FID needs two pictures at least, {folder} has one")
        if kid_subset_size and len(paths) < kid_subset_size:
            raise BadOption(f"{folder} has {len(paths)} pictures: --kid-subset-size can be as many at most")
    features = features or inception_features(device)
    first, second = sides[reference], sides[decoded]
    with progress(Console(stderr=True), "measuring", len(first) + len(second)) as advance:

        def features_of(paths: Sequence[Path]) -> torch.Tensor:
            threads = min(distances.BATCH, (cpu_count() or 1) + 4)
            loaders = [_reader(path) for path in paths]
            return distances.features_of(loaders, features, lambda number: advance(paths[number].name), threads)

        of_first, of_second = features_of(first), features_of(second)
    subset = kid_subset_size or min(KID_SUBSET_SIZE, len(first), len(second))
    fid, kid = distances.frechet(of_second, of_first), distances.kernel(of_second, of_first, subset)
    return Distance(fid, kid, len(first), len(second), subset)


def inception_features(device: str) -> Features:
    """Return the features that FID is defined by: the last pooling of Inception v3, D = 2048. See `distance`."""
    network = inception(METRICS["fid"])
    try:
        place = auto_device() if device == "auto" else torch.device(device)
        network.to(place)
    except (RuntimeError, AssertionError) as error:
        raise BadOption(f"the device {device!r} is not available: {str(error).splitlines()[0]}") from error
    return lambda pictures: network(pictures.to(place))[0].cpu()


def _reader(path: Path) -> Load:
    return lambda: rgb(read_original(path).pixels)
