"""One picture at one setting: measured, or taken from what an earlier run measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nic_eval.contestants.contestant import Contestant, Setting
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
        if not self._is_there(record):
            coded = lane.code(task.source.path, task.setting, self.out / task.file)
            decoded = coded.decoded
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
            self.cache.replace(task.key, record)
        values = record.get("metrics", {})
        missing = [metric for metric in metrics if metric.key not in values]
        if missing:
            if decoded is None:
                decoded = lane.decode(self.out / record["file"], task.setting)
            found = lane.judge([metric.name for metric in missing], task.source.path, decoded)
            # None: too small for this metric, which need not be found out again.
            fresh = {metric.key: found.get(metric.name) for metric in missing}
            self.cache.put(task.key, {"metrics": fresh})
            values = {**values, **fresh}
        measurement = Measurement(
            task.source.name,
            record["bytes"],
            8 * record["bytes"] / (task.source.width * task.source.height),
            {metric.name: values[metric.key] for metric in metrics if values[metric.key] is not None},
            record["encode_s"],
            record["decode_s"],
            record["peak_memory"],
            record["file"],
        )
        return Done(measurement, record["workers"])

    def gmacs(self, task: Task, lane: Lane) -> Mapping[str, float]:
        """Return a task's multiply-accumulates, counted once. Raises as `measure`."""
        size = f"{task.source.width} x {task.source.height}"
        key = key_of("gmacs", task.contestant.fingerprint(task.setting, task.source.path), size)
        if "gmacs" in (record := self.cache.get(key)):
            return record["gmacs"]
        counted = dict(lane.gmacs(task.source.path, task.setting))
        self.cache.put(key, {"gmacs": counted})
        return counted

    def _is_there(self, record: Mapping[str, Any]) -> bool:
        """Whether the coded file of a cached record is still the one that was measured."""
        file = Path(record.get("file", "/"))
        if file.is_absolute() or ".." in file.parts:  # the cache may have come with a report from anyone
            return False
        path = self.out / file
        return path.is_file() and file_hash(path) == record["sha256"]
