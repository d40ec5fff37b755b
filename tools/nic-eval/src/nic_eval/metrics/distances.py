"""Distances between the features of two sets of pictures, by torch-fidelity's arithmetic."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from nic_eval.metrics.metric import Features, Load, quiet

BATCH = 16
"""Pictures that are read, and go through the network, at once."""

KID_SUBSETS = 100
"""KID is the mean over so many random subsets of each side."""


def frechet(decoded: Tensor, reference: Tensor) -> float:
    """Return the Frechet distance of two sets of features, (N, D) and (M, D): FID where they are Inception's."""
    with quiet():
        from torch_fidelity import metric_fid  # an optional dependency

        statistics = [metric_fid.fid_features_to_statistics(found) for found in (decoded, reference)]
        return float(metric_fid.fid_statistics_to_metric(*statistics, verbose=False)[metric_fid.KEY_METRIC_FID])


def kernel(decoded: Tensor, reference: Tensor, subset: int) -> float:
    """Return the kernel distance of two sets of features, KID; subset: how many of each side it takes at a time."""
    with quiet():
        from torch_fidelity import metric_kid  # an optional dependency

        found = metric_kid.kid_features_to_metric(
            decoded, reference, kid_subsets=KID_SUBSETS, kid_subset_size=subset, verbose=False
        )
    return float(found[metric_kid.KEY_METRIC_KID_MEAN])


def features_of(
    pictures: Sequence[Load], features: Features, advance: Callable[[int], None] | None = None, threads: int = 1
) -> Tensor:
    """Return the features of pictures of any sizes, (N, D); those of one size go through the network together.

    pictures: their loaders, which so many threads call. advance: called with the number of each when it is done.
    """
    found = []
    with ThreadPoolExecutor(threads) as pool, torch.inference_mode():
        for start in range(0, len(pictures), BATCH):
            chunk = pictures[start : start + BATCH]
            loaded = pool.map(lambda load: load(), chunk)
            for _, same in groupby(sorted(loaded, key=np.shape), np.shape):
                found.append(features(torch.from_numpy(np.stack(list(same))).permute(0, 3, 1, 2)))
            for number in range(start, start + len(chunk)):
                if advance:
                    advance(number)
    return torch.cat(found)
