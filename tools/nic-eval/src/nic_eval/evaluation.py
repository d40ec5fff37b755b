"""An evaluation: every contestant at every setting on every picture, resumable, into one folder."""

import multiprocessing
import platform
import queue
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from nic_core.errors import BadOption, NicError
from nic_core.pictures import image_files
from rich.console import Console

from nic_eval import published
from nic_eval.cache import Cache, file_hash, key_of
from nic_eval.contestants import Contestant, Setting, read_original, rgb
from nic_eval.differences import default_anchors, differences
from nic_eval.measure import Lane, end_workers
from nic_eval.metrics import Metric, MetricUnavailable, inception, installed
from nic_eval.names import slug
from nic_eval.progress import progress
from nic_eval.results import Curve, Measurement, Original, Point, Results


@dataclass(frozen=True)
class Request:
    """What to evaluate.

    data: folder of pictures. out: folder of the report. anchors: names of curves, none for the default one.
    published: names of published curves to show. workers: pictures coded at once.
    """

    data: Path
    out: Path
    contestants: tuple[Contestant, ...]
    metrics: tuple[Metric, ...]
    anchors: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    workers: int = 1


@dataclass(frozen=True)
class Source:
    """A picture to measure. name: its path below the folder. hash: SHA-256 of the file."""

    name: str
    path: Path
    hash: str
    width: int
    height: int


@dataclass(frozen=True)
class Entry:
    """What was measured of a contestant. measured: by (label of the setting, name of the picture)."""

    contestant: Contestant
    settings: Sequence[Setting]
    measured: Mapping[tuple[str, str], Measurement]
    gmacs: Mapping[str, float]


@dataclass(frozen=True)
class Evaluated:
    """What came of a request.

    failures: what went wrong, one line each; also among the results' notes.
    settings: of every coded file, by (curve, path).
    """

    results: Results
    sources: tuple[Source, ...]
    failures: tuple[str, ...]
    settings: Mapping[tuple[str, Path], Setting]


def evaluate(request: Request) -> Evaluated:
    """Measure, and return the results; what an earlier run in the same folder measured is taken from there.

    A picture that cannot be read, a contestant that cannot run and a measurement that fails are named, the rest is
    still done. Raises NicError where nothing is left, BadOption for unknown names. Ctrl-C ends the workers; what was
    finished is kept.
    """
    return _Evaluation(request).run()


def find_pictures(folder: Path, report: Path | None = None) -> list[Path]:
    """Return the picture files below a folder by name, without those of a report; NicError where there are none."""
    if not folder.is_dir():
        raise NicError(f"{folder} is no folder")
    made = {(report / name).resolve() for name in ("files", "pictures", "plots")} if report else set()
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in image_files.SUFFIXES and path.is_file() and not made & set(path.resolve().parents)
    )
    if not found:
        raise NicError(f"no {' '.join(sorted(image_files.SUFFIXES))} files below {folder}")
    return found


class _Evaluation:
    """The state of one run: cache, lanes, and what went wrong so far."""

    def __init__(self, request: Request) -> None:
        self.request = request
        names = [contestant.name for contestant in request.contestants]
        if twice := [name for name in names if names.count(name) > 1]:
            raise NicError(f"{twice[0]} is given twice")
        shown = [published.curve(name) for name in request.published]
        shown += [published.curve(name) for name in request.anchors if name.startswith(published.PREFIX)]
        self.shown = list({curve.name: curve for curve in shown}.values())
        known = [*names, *(curve.name for curve in self.shown)]
        if unknown := [name for name in request.anchors if name not in known]:
            raise BadOption(
                f"the anchor {unknown[0]!r} is not measured; there are {', '.join(known)}, and published figures: "
                + ", ".join(published.PREFIX + name for name in published.names())
            )
        self.paths = find_pictures(request.data, request.out)
        self.cache = Cache(request.out / "cache.jsonl")
        self.failures: list[str] = []
        self.notes: list[str] = []
        self.too_small: dict[str, int] = {}  # how many pictures, by metric
        self.settings: dict[tuple[str, Path], Setting] = {}
        self.most_workers = 1
        threads = None if request.workers == 1 else max(1, (multiprocessing.cpu_count() or 1) // request.workers)
        self.lanes = [Lane(threads) for _ in range(request.workers)]
        self.console = Console(stderr=True)

    def run(self) -> Evaluated:
        """Do it all."""
        try:
            sources = self._survey()
            metrics = self._available(sources)
            measured = self._measure_all(sources, [metric for metric in metrics if not metric.of_set])
        except BaseException:  # an interrupt too: no worker may go on
            end_workers()
            raise
        finally:
            for lane in self.lanes:
                lane.leave()
        curves = [curve for entry in measured if (curve := self._curve(entry, sources, metrics)).points]
        if not curves:
            raise NicError("; ".join(self.failures) or "nothing could be measured")
        return self._evaluated(sources, curves)

    def _survey(self) -> list[Source]:
        """Return the pictures that can be read; full decoding finds those that are cut short, before any coding."""
        sources = []
        with progress(self.console, "reading pictures", len(self.paths)) as advance:
            for path in self.paths:
                name = path.relative_to(self.request.data).as_posix()
                try:
                    digest = file_hash(path)
                    size = self.cache.get(digest)
                    if not size:
                        picture = read_original(path)
                        size = {"width": picture.width, "height": picture.height}
                        self.cache.put(digest, size)
                    sources.append(Source(name, path, digest, size["width"], size["height"]))
                except NicError as error:
                    self.failures.append(f"skipped: {error}")
                advance(name)
        if not sources:
            raise NicError(f"no picture below {self.request.data} can be read: {self.failures[0]}")
        return sources

    def _available(self, sources: Sequence[Source]) -> list[Metric]:
        """Return the metrics that can be measured; a note says why another one cannot."""
        single = [metric.name for metric in self.request.metrics if not metric.of_set]
        with self.console.status("loading metrics"):
            missing = self.lanes[0].unavailable(single)
            for metric in self.request.metrics:
                if metric.of_set and (reason := _refusal(metric, sources)):
                    missing[metric.name] = reason
        self.notes += missing.values()
        return [metric for metric in self.request.metrics if metric.name not in missing]

    def _measure_all(self, sources: Sequence[Source], metrics: Sequence[Metric]) -> list[Entry]:
        """Measure all contestants that can run."""
        plan: list[tuple[Contestant, list[Setting]]] = []
        for contestant in self.request.contestants:
            try:
                plan.append((contestant, list(contestant.settings())))
            except NicError as error:
                self.failures.append(f"skipped {contestant.name}: {error}")
        done = []
        total = sum(len(settings) for _, settings in plan) * len(sources)
        with progress(self.console, "measuring", total) as advance:
            for contestant, settings in plan:
                for lane in self.lanes:
                    lane.enter(contestant)
                gmacs = self._gmacs(contestant, settings[0], sources[0])
                measured = self._measure(contestant, settings, sources, metrics, advance)
                done.append(Entry(contestant, settings, measured, gmacs))
        return done

    def _measure(
        self,
        contestant: Contestant,
        settings: Sequence[Setting],
        sources: Sequence[Source],
        metrics: Sequence[Metric],
        advance: Callable[[str], None],
    ) -> dict[tuple[str, str], Measurement]:
        lanes: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for lane in self.lanes:
            lanes.put(lane)

        def work(setting: Setting, source: Source) -> Measurement:
            lane = lanes.get()
            try:
                return self._one(lane, contestant, setting, source, metrics)
            finally:
                lanes.put(lane)

        measured = {}
        threads = ThreadPoolExecutor(len(self.lanes))
        try:
            jobs: dict[Future[Measurement], tuple[Setting, Source]] = {
                threads.submit(work, setting, source): (setting, source) for setting in settings for source in sources
            }
            for job in as_completed(jobs):
                setting, source = jobs[job]
                try:
                    measured[setting.label, source.name] = job.result()
                except Exception as error:  # a codec may raise anything; the other pictures are still measured
                    self.failures.append(f"{contestant.name}, {setting.label}: {source.name} failed: {_line(error)}")
                advance(f"{contestant.name} {source.name}")
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            end_workers()
            raise
        finally:
            threads.shutdown(wait=True)
        return measured

    def _one(
        self, lane: Lane, contestant: Contestant, setting: Setting, source: Source, metrics: Sequence[Metric]
    ) -> Measurement:
        """Measure one picture at one setting, or only what the cache lacks of it."""
        key = self._key(contestant, setting, source)
        record = self.cache.get(key)
        coded = None
        if not _is_there(self.request.out, record):
            file = Path("files", slug(contestant.name), slug(setting.label), f"{source.name}.{contestant.suffix}")
            coded = lane.code(source.path, setting, self.request.out / file)
            record = {
                "file": file.as_posix(),
                "sha256": file_hash(self.request.out / file),
                "bytes": coded.bytes,
                "encode_s": coded.encode_s,
                "decode_s": coded.decode_s,
                "peak_memory": coded.peak_memory,
                "workers": self.request.workers,
                "metrics": {},
            }
            self.cache.replace(key, record)
        path = self.request.out / record["file"]
        values = record.get("metrics", {})
        missing = [metric for metric in metrics if metric.key not in values]
        if missing:
            decoded = coded.decoded if coded else lane.decode(path, setting)
            found = lane.judge([metric.name for metric in missing], source.path, decoded)
            # None: too small for this metric, which need not be found out again.
            fresh = {metric.key: found.get(metric.name) for metric in missing}
            self.cache.put(key, {"metrics": fresh})
            values = {**values, **fresh}
        self.settings[contestant.name, path] = setting
        self.most_workers = max(self.most_workers, record["workers"])
        return Measurement(
            source.name,
            record["bytes"],
            8 * record["bytes"] / (source.width * source.height),
            {metric.name: values[metric.key] for metric in metrics if values[metric.key] is not None},
            record["encode_s"],
            record["decode_s"],
            record["peak_memory"],
            record["file"],
        )

    def _gmacs(self, contestant: Contestant, setting: Setting, source: Source) -> Mapping[str, float]:
        """Return the multiply-accumulates of the first picture, counted once."""
        try:
            size = f"{source.width} x {source.height}"
            key = key_of("gmacs", contestant.fingerprint(setting, source.path), size)
            if "gmacs" in (record := self.cache.get(key)):
                return record["gmacs"]
            counted = dict(self.lanes[0].gmacs(source.path, setting))
        except Exception as error:  # as in _measure
            self.failures.append(f"{contestant.name}: multiply-accumulates not counted: {_line(error)}")
            return {}
        self.cache.put(key, {"gmacs": counted})
        return counted

    def _curve(self, entry: Entry, sources: Sequence[Source], metrics: Sequence[Metric]) -> Curve:
        """Return the means of every setting; a metric that lacks for some picture has none."""
        points = []
        name = entry.contestant.name
        of_set = [metric for metric in metrics if metric.of_set]
        for setting in entry.settings:
            keys = [(setting.label, source.name) for source in sources]
            items = [entry.measured[key] for key in keys if key in entry.measured]
            if not items:
                continue
            if len(items) < len(sources):
                self.notes.append(f"{name}, {setting.label}: means over {len(items)} of {len(sources)} pictures only")
            values = self._of_set(entry.contestant, setting, items, sources, of_set)
            for metric in metrics:
                have = [item.metrics[metric.name] for item in items if metric.name in item.metrics]
                if len(have) == len(items):
                    values[metric.name] = fmean(have)
                elif not metric.of_set:
                    self.too_small[metric.name] = len(items) - len(have)
            bpp = fmean(item.bpp for item in items)
            points.append(Point(setting.label, setting.quality, bpp, values, tuple(items)))
        points.sort(key=lambda point: point.bpp)
        return Curve(name, entry.contestant.kind, tuple(points), entry.contestant.description, entry.gmacs)

    def _of_set(
        self,
        contestant: Contestant,
        setting: Setting,
        items: Sequence[Measurement],
        sources: Sequence[Source],
        metrics: Sequence[Metric],
    ) -> dict[str, float]:
        """Return FID and KID of one point, empty where a picture is missing: the sets would differ."""
        if not metrics or len(items) < len(sources):
            return {}
        from nic_eval import patches  # imports torch

        key = key_of("set", *(self._key(contestant, setting, source) for source in sources))
        record = self.cache.get(key).get("metrics", {})
        missing = [metric for metric in metrics if metric.key not in record]
        if missing:
            shown = f"{', '.join(metric.name for metric in missing)} of {contestant.name}, {setting.label}"
            try:
                with self.console.status(shown):
                    found = patches.measure(
                        [metric.name for metric in missing],
                        [_decoder(contestant, setting, self.request.out / item.file) for item in items],
                        [_reader(source.path) for source in sources],
                        [(source.height, source.width) for source in sources],
                        self.request.out / "features" / key_of(*(source.hash for source in sources)),
                    )
            except Exception as error:  # as in _measure
                self.failures.append(f"{shown} failed: {_line(error)}")
                return {}
            record |= {metric.key: found[metric.name] for metric in missing}
            self.cache.put(key, {"metrics": record})
        return {metric.name: record[metric.key] for metric in metrics}

    def _evaluated(self, sources: Sequence[Source], measured: Sequence[Curve]) -> Evaluated:
        curves = [*measured, *self.shown]
        for name, count in self.too_small.items():
            self.notes.append(f"{name}: no means, {count} of {len(sources)} pictures are too small for it")
        if self.most_workers > 1:
            self.notes.append(
                f"some times were taken with {self.most_workers} workers at once: compare times of --workers 1 only"
            )
        pictures = tuple(Original(source.name, source.width, source.height) for source in sources)
        if self.shown and not published.is_kodak(pictures):
            self.notes.append("published curves are means over the 24 Kodak pictures; this report is of other pictures")
        anchors = list(self.request.anchors) or default_anchors(measured)
        known = {curve.name for curve in curves}
        anchors = [name for name in anchors if name in known]  # one that failed is among the failures
        results = Results(
            self.request.data.resolve().name,
            pictures,
            tuple(curves),
            differences(curves, anchors),
            (*self.failures, *self.notes),
            versions(self.request.metrics),
        )
        return Evaluated(results, tuple(sources), tuple(self.failures), self.settings)

    def _key(self, contestant: Contestant, setting: Setting, source: Source) -> str:
        fingerprint = contestant.fingerprint(setting, source.path)
        return key_of("coded", fingerprint, setting.label, str(setting.quality), source.hash)


def versions(metrics: Iterable[Metric]) -> dict[str, str]:
    """Return the versions that decide the figures."""
    packages = ["nic-core", "nic-nn", "nic-eval", "torch", "pillow", "numpy", "bjontegaard"]
    packages += [metric.package for metric in metrics if metric.package]
    found = {package: installed(package) for package in packages}
    return {"python": platform.python_version(), **{name: version for name, version in found.items() if version}}


def _refusal(metric: Metric, sources: Sequence[Source]) -> str:
    """Return why a metric of the whole set cannot be measured, empty where it can."""
    try:
        from nic_eval import patches  # imports torch

        if reason := patches.refusal([(source.height, source.width) for source in sources], metric):
            return reason
        inception(metric)
    except MetricUnavailable as error:
        return str(error)
    return ""


def _is_there(folder: Path, record: Mapping) -> bool:
    """Whether the coded file of a cached record is still the one that was measured."""
    path = folder / record.get("file", "")
    return bool(record) and path.is_file() and file_hash(path) == record["sha256"]


def _decoder(contestant: Contestant, setting: Setting, path: Path) -> Callable[[], np.ndarray]:
    return lambda: contestant.decode(path.read_bytes(), setting)


def _reader(path: Path) -> Callable[[], np.ndarray]:
    return lambda: rgb(read_original(path).pixels)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, NicError) else f"{type(error).__name__}: {text}"
