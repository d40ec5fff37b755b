"""One picture at one setting: measured, or taken from what an earlier run measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nic_eval.contestants.contestant import Contestant, Setting, read_original
from nic_eval.contestants.estimates import EstimatedContestant
from nic_eval.files import file_hash
from nic_eval.measuring.cache import Cache, key_of
from nic_eval.measuring.lanes import Lane
from nic_eval.measuring.sources import Source
from nic_eval.metrics.catalogue import Metric
from nic_eval.names import slug
from nic_eval.results import Measurement


@dataclass(frozen=True)
class Task:
    """What to measure."""

    contestant: Contestant
    setting: Setting
    source: Source

    @property
    def key(self) -> str:
        """What the figures are kept under; BadOption where the contestant has no option for the picture."""
        fingerprint = self.contestant.fingerprint(self.setting, self.source.path)
        return key_of("coded", fingerprint, self.setting.label, str(self.setting.quality), self.source.hash)

    @property
    def file(self) -> str:
        """Where the coded file goes, relative to the report's folder."""
        folder = Path("files", slug(self.contestant.name), slug(self.setting.label))
        return (folder / f"{self.source.name}.{self.contestant.suffix}").as_posix()


@dataclass(frozen=True)
class Done:
    """What came of a task. workers: pictures that were coded at once when it was timed."""

    measurement: Measurement
    workers: int


@dataclass(frozen=True)
class Bench:
    """Does tasks. out: the report's folder. workers: pictures coded at once."""

    out: Path
    cache: Cache
    workers: int

    def measure(self, task: Task, metrics: Sequence[Metric], lane: Lane) -> Done:
        """Measure a task, or only what the cache lacks of it. Raises what the codec raises, and WorkerDied."""
        record = self.cache.get(task.key)
        decoded = None
        if not self._is_there(task, record):
            record, decoded = (self._estimated if _is_estimated(task) else self._coded)(task, lane)
            self.cache.replace(task.key, record)
        values = record.get("metrics", {})
        missing = [metric for metric in metrics if metric.key not in values]
        if missing:
            if decoded is None:
                decoded = self._decoded(task, record, lane)
            found = lane.judge([metric.name for metric in missing], task.source.path, decoded)
            # None: too small for this metric, which need not be found out again.
            fresh = {metric.key: found.get(metric.name) for metric in missing}
            self.cache.put(task.key, {"metrics": fresh})
            values = {**values, **fresh}
        pixels = task.source.width * task.source.height
        measurement = Measurement(
            task.source.name,
            math.ceil(record["bits"] / 8) if _is_estimated(task) else record["bytes"],
            (record["bits"] if _is_estimated(task) else 8 * record["bytes"]) / pixels,
            {metric.name: values[metric.key] for metric in metrics if values[metric.key] is not None},
            record.get("encode_s"),
            record.get("decode_s"),
            record.get("peak_memory", 0),
            record.get("file", ""),
        )
        return Done(measurement, record["workers"])

    def decode(self, task: Task, file: str) -> np.ndarray:
        """Return the pixels that a task's picture decodes to, in this process. file: the coded one, if there is one."""
        if isinstance(task.contestant, EstimatedContestant):
            return task.contestant.estimate(read_original(task.source.path), task.setting).pixels
        return task.contestant.decode((self.out / file).read_bytes(), task.setting)

    def _coded(self, task: Task, lane: Lane) -> tuple[dict[str, Any], np.ndarray]:
        """Code a picture, and return the record of it and what it decodes to."""
        coded = lane.code(task.source.path, task.setting, self.out / task.file)
        record = {
            "file": task.file,
            "sha256": file_hash(self.out / task.file),
            "bytes": coded.bytes,
            "encode_s": coded.encode_s,
            "decode_s": coded.decode_s,
            "peak_memory": coded.peak_memory,
            "workers": self.workers,
            "metrics": {},
        }
        return record, coded.decoded

    def _estimated(self, task: Task, lane: Lane) -> tuple[dict[str, Any], np.ndarray]:
        """Estimate a picture's rate, and return the record of it and what it decodes to."""
        found = lane.estimate(task.source.path, task.setting)
        return {"bits": found.bits, "workers": 1, "metrics": {}}, found.pixels

    def _decoded(self, task: Task, record: Mapping[str, Any], lane: Lane) -> np.ndarray:
        """Return what a picture decodes to that an earlier run measured."""
        if _is_estimated(task):
            return lane.estimate(task.source.path, task.setting).pixels
        return lane.decode(self.out / record["file"], task.setting)

    def gmacs(self, task: Task, lane: Lane) -> Mapping[str, float]:
        """Return a task's multiply-accumulates, counted once. Raises as `measure`."""
        size = f"{task.source.width} x {task.source.height}"
        key = key_of("gmacs", task.contestant.fingerprint(task.setting, task.source.path), size)
        if "gmacs" in (record := self.cache.get(key)):
            return record["gmacs"]
        counted = dict(lane.gmacs(task.source.path, task.setting))
        self.cache.put(key, {"gmacs": counted})
        return counted

    def _is_there(self, task: Task, record: Mapping[str, Any]) -> bool:
        """Whether a picture's rate is known: estimated, or its coded file is still the one that was measured."""
        if _is_estimated(task):
            return "bits" in record
        file = Path(record.get("file", "/"))
        if file.is_absolute() or ".." in file.parts:  # the cache may have come with a report from anyone
            return False
        path = self.out / file
        return path.is_file() and file_hash(path) == record["sha256"]


def _is_estimated(task: Task) -> bool:
    return isinstance(task.contestant, EstimatedContestant)
