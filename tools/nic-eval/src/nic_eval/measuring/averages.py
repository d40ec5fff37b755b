"""Curves: means over the pictures, and the metrics of all pictures at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from rich.console import Console

from nic_eval.contestants.contestant import Contestant, Setting
from nic_eval.measuring import sets
from nic_eval.measuring.request import Log
from nic_eval.measuring.sources import Source
from nic_eval.measuring.task import Bench, Done, Task
from nic_eval.metrics.catalogue import Metric
from nic_eval.results import Curve, Measurement, Point
from nic_eval.terminal import status


@dataclass(frozen=True)
class Entry:
    """What was measured of a contestant. done: by setting and name of the picture, without those that failed."""

    contestant: Contestant
    settings: Sequence[Setting]
    done: Mapping[tuple[Setting, str], Done]
    gmacs: Mapping[str, float]


def average(
    entry: Entry, sources: Sequence[Source], metrics: Sequence[Metric], bench: Bench, log: Log, console: Console
) -> Curve:
    """Return the means of every setting; a metric's are over the pictures that are large enough for it."""
    name = entry.contestant.name
    of_set = [metric for metric in metrics if metric.of_set]
    points = []
    for setting in entry.settings:
        items = [
            entry.done[setting, source.name].measurement for source in sources if (setting, source.name) in entry.done
        ]
        if not items:
            continue
        values: dict[str, float] = {}
        if len(items) < len(sources):  # no FID then: the sets would differ
            log.notes.append(f"{name}, {setting.label}: means over {len(items)} of {len(sources)} pictures only")
        elif of_set:
            shown = f"{', '.join(metric.name for metric in of_set)} of {name}, {setting.label}"
            try:
                with status(console, shown):
                    tasks = [Task(entry.contestant, setting, source) for source in sources]
                    pairs = zip(tasks, items, strict=True)
                    decoders = [partial(bench.decode, task, item.file) for task, item in pairs]
                    values = sets.measure(bench, tasks, decoders, of_set)
            except Exception as error:  # as in _measure
                log.fail(f"{shown} failed", error)
        for metric in metrics:
            if have := [item.metrics[metric.name] for item in items if metric.name in item.metrics]:
                values[metric.name] = fmean(have)
        points.append(_point(setting, values, items))
    points.sort(key=lambda point: point.bpp)
    return Curve(name, entry.contestant.kind, tuple(points), entry.contestant.description, entry.gmacs)


def too_small(metric: Metric, sources: Sequence[Source]) -> str:
    """Return what to say of pictures that are too small for a metric, empty where none is."""
    total, count = len(sources), sum(min(source.width, source.height) < metric.smallest for source in sources)
    if count == total:
        return f"{metric.name}: no means, {count} of {total} pictures are too small for it"
    if count:
        return f"{metric.name}: means over {total - count} of {total} pictures, the others are too small for it"
    return ""


def _point(setting: Setting, values: Mapping[str, float], items: Sequence[Measurement]) -> Point:
    return Point(setting.label, setting.quality, fmean(item.bpp for item in items), values, tuple(items))
