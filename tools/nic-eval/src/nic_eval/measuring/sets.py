"""Metrics of all pictures at once, FID and its kin, of one point: of patches, or of whole pictures."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from nic_core.files.atomic import atomic_path, make_folder

from nic_eval.contestants.contestant import read_original, rgb
from nic_eval.measuring.cache import key_of
from nic_eval.measuring.sources import Source
from nic_eval.measuring.task import Bench, Task
from nic_eval.metrics.catalogue import features, inception
from nic_eval.metrics.metric import FEW, Load, Metric, MetricUnavailable

if TYPE_CHECKING:
    from torch import Tensor


def refusal(metric: Metric, sources: Sequence[Source]) -> str:
    """Return why a metric cannot be measured on these pictures, empty where it can."""
    assert metric.distance is not None
    try:
        if metric.distance.of == "patches":
            from nic_eval.metrics import patches  # imports torch

            if reason := patches.refusal([(source.height, source.width) for source in sources], metric):
                return reason
            inception(metric)
        else:
            needed, less = (metric.subset, " (--kid-subset-size)") if metric.of_subsets else (2, "")
            if len(sources) < needed:
                return f"{metric.name} is not measured: there are {len(sources)} pictures, it needs {needed}{less}"
            features(metric.name)
    except MetricUnavailable as error:
        return str(error)
    return ""


def remark(metric: Metric, sources: Sequence[Source]) -> str:
    """Return what must be said of a metric that is measured, empty where nothing must."""
    whole = metric.distance is not None and metric.distance.of == "pictures" and not metric.of_subsets
    if whole and len(sources) <= FEW:
        return f"{metric.name}: a distance of {FEW} pictures or fewer depends on their number most of all"
    return ""


def measure(
    bench: Bench, tasks: Sequence[Task], decoders: Sequence[Load], metrics: Sequence[Metric]
) -> dict[str, float]:
    """Return the figures of one setting, or what the cache has of them.

    tasks: of the setting, all pictures. decoders: return what each picture decodes to.
    """
    key = key_of("set", *(task.key for task in tasks))
    record = bench.cache.get(key).get("metrics", {})
    missing = [metric for metric in metrics if metric.key not in record]
    sources = [task.source for task in tasks]
    if of_patches := [metric for metric in missing if metric.distance and metric.distance.of == "patches"]:
        record |= _of_patches(bench, sources, decoders, of_patches)
    if of_pictures := [metric for metric in missing if metric not in of_patches]:
        record |= _of_pictures(bench, sources, decoders, of_pictures)
    if missing:
        bench.cache.put(key, {"metrics": record})
    return {metric.name: record[metric.key] for metric in metrics}


def _of_patches(
    bench: Bench, sources: Sequence[Source], decoders: Sequence[Load], metrics: Sequence[Metric]
) -> dict[str, float]:
    from nic_eval.metrics import patches  # imports torch

    found = patches.measure(
        [metric.name for metric in metrics],
        decoders,
        [_reader(source) for source in sources],
        [(source.height, source.width) for source in sources],
        bench.out / "features" / key_of(*(source.hash for source in sources)),
        *(metric.subset for metric in metrics if metric.of_subsets),
    )
    return {metric.key: found[metric.name] for metric in metrics}


def _of_pictures(
    bench: Bench, sources: Sequence[Source], decoders: Sequence[Load], metrics: Sequence[Metric]
) -> dict[str, float]:
    from nic_eval.metrics import distances  # imports torch

    values = {}
    for network in dict.fromkeys(metric.distance.network for metric in metrics if metric.distance):
        alike = [metric for metric in metrics if metric.distance and metric.distance.network == network]
        reference = _reference(bench, sources, alike[0])
        decoded = distances.features_of(decoders, features(alike[0].name))
        for metric in alike:
            if metric.of_subsets:
                values[metric.key] = distances.kernel(decoded, reference, metric.subset)
            else:
                values[metric.key] = distances.frechet(decoded, reference)
    return values


def _reference(bench: Bench, sources: Sequence[Source], metric: Metric) -> "Tensor":
    """Return the features of the originals, which are computed once and kept in the report's folder."""
    import torch

    from nic_eval.metrics import distances

    assert metric.distance is not None
    folder = bench.out / "features" / key_of(*(source.hash for source in sources))
    path = folder / f"{key_of(metric.distance.network, metric.made_by)}.npy"
    if not path.exists():
        found = distances.features_of([_reader(source) for source in sources], features(metric.name))
        make_folder(folder)
        with atomic_path(path) as part, part.open("wb") as file:
            np.save(file, found.numpy())
    return torch.from_numpy(np.load(path))


def _reader(source: Source) -> Callable[[], np.ndarray]:
    return lambda: rgb(read_original(source.path).pixels)
