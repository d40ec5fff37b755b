"""Metrics of all pictures at once: FID and KID of one point."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from nic_eval.contestants.contestant import Contestant, Setting, read_original, rgb
from nic_eval.measuring.cache import key_of
from nic_eval.measuring.sources import Source
from nic_eval.measuring.task import Bench, Task
from nic_eval.metrics.catalogue import Metric, MetricUnavailable, inception


def refusal(metric: Metric, sources: Sequence[Source]) -> str:
    """Return why a metric cannot be measured on these pictures, empty where it can."""
    try:
        from nic_eval.metrics import patches  # imports torch

        if reason := patches.refusal([(source.height, source.width) for source in sources], metric):
            return reason
        inception(metric)
    except MetricUnavailable as error:
        return str(error)
    return ""


def measure(
    bench: Bench,
    contestant: Contestant,
    setting: Setting,
    files: Sequence[str],
    sources: Sequence[Source],
    metrics: Sequence[Metric],
) -> dict[str, float]:
    """Return the figures of one setting, or what the cache has of them. files: the sources', coded."""
    key = key_of("set", *(Task(contestant, setting, source).key for source in sources))
    record = bench.cache.get(key).get("metrics", {})
    missing = [metric for metric in metrics if metric.key not in record]
    if missing:
        from nic_eval.metrics import patches  # imports torch

        found = patches.measure(
            [metric.name for metric in missing],
            [_decoder(contestant, setting, bench.out / file) for file in files],
            [_reader(source.path) for source in sources],
            [(source.height, source.width) for source in sources],
            bench.out / "features" / key_of(*(source.hash for source in sources)),
        )
        record |= {metric.key: found[metric.name] for metric in missing}
        bench.cache.put(key, {"metrics": record})
    return {metric.name: record[metric.key] for metric in metrics}


def _decoder(contestant: Contestant, setting: Setting, path: Path) -> Callable[[], np.ndarray]:
    return lambda: contestant.decode(path.read_bytes(), setting)


def _reader(path: Path) -> Callable[[], np.ndarray]:
    return lambda: rgb(read_original(path).pixels)
