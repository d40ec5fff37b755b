"""An evaluation: every contestant at every setting on every picture, resumable, into one folder."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from nic_core import progress as steps
from nic_core.engines.engine import Stopped, open_engine
from nic_core.errors import CannotStart, NicError
from rich.console import Console

from nic_eval.contestants.contestant import Contestant, Setting
from nic_eval.curves import published
from nic_eval.curves.differences import default_anchors, differences
from nic_eval.measuring import originals, sets
from nic_eval.measuring.averages import Entry, average, too_small
from nic_eval.measuring.cache import Cache
from nic_eval.measuring.lanes import Lane, open_lanes
from nic_eval.measuring.request import Log, Request
from nic_eval.measuring.sources import Source, survey
from nic_eval.measuring.task import Bench, Done, Task
from nic_eval.metrics.catalogue import Metric, versions
from nic_eval.names import printable
from nic_eval.results import Curve, Original, Results
from nic_eval.terminal import progress, status


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
    request.check()
    found = originals.find(request.data, request.out, request.files)
    log = Log()
    console = Console(stderr=True)
    with closing(open_engine(request.engine, request.wanted)) as engine, open_lanes(engine) as lanes:
        bench = Bench(request.out, Cache(request.out / "cache.jsonl"), engine.slots)
        sources = survey(*originals.bring(found, request.out, bench.cache, log, console), bench.cache, log, console)
        metrics = _available(request.metrics, sources, lanes[0], log, console)
        entries = _measure_all(request.contestants, sources, metrics, bench, lanes, log, console)
    curves = [curve for entry in entries if (curve := average(entry, sources, metrics, bench, log, console)).points]
    if not curves:
        raise NicError("; ".join(log.failures) or "nothing could be measured")
    if (most := max(done.workers for entry in entries for done in entry.done.values())) > 1:
        log.notes.append(f"some times were taken with {most} workers at once: compare times of --workers 1 only")
    settings = {
        (entry.contestant.name, request.out / done.measurement.file): setting
        for entry in entries
        for (setting, _), done in entry.done.items()
        if done.measurement.file
    }
    return Evaluated(_results(request, sources, curves, log), tuple(sources), tuple(log.failures), settings)


def _available(
    metrics: Sequence[Metric], sources: Sequence[Source], lane: Lane, log: Log, console: Console
) -> list[Metric]:
    """Return the metrics that can be measured; a note says why another one cannot."""
    with status(console, "loading metrics"):
        missing = lane.unavailable([metric.name for metric in metrics if not metric.of_set])
        for metric in metrics:
            if metric.of_set and (reason := sets.refusal(metric, sources)):
                missing[metric.name] = reason
    log.notes.extend(missing.values())
    found = [metric for metric in metrics if metric.name not in missing]
    remarks = [text for metric in found for text in (too_small(metric, sources), sets.remark(metric, sources))]
    log.notes.extend(filter(None, remarks))
    return found


def _measure_all(
    contestants: Sequence[Contestant],
    sources: Sequence[Source],
    metrics: Sequence[Metric],
    bench: Bench,
    lanes: Sequence[Lane],
    log: Log,
    console: Console,
) -> list[Entry]:
    """Measure all contestants that can run."""
    plan: list[tuple[Contestant, list[Setting]]] = []
    for contestant in contestants:
        try:
            plan.append((contestant, list(contestant.settings())))
        except NicError as error:
            log.fail(f"skipped {contestant.name}", error)
    single = [metric for metric in metrics if not metric.of_set]
    entries = []
    with progress(console, "measuring", sum(len(settings) for _, settings in plan) * len(sources)) as advance:
        for contestant, settings in plan:
            for lane in lanes:
                lane.enter(contestant)
            gmacs: Mapping[str, float] = {}
            try:
                gmacs = bench.gmacs(Task(contestant, settings[0], sources[0]), lanes[0])
            except Exception as error:  # a codec may raise anything; its files are still measured
                log.fail(f"{contestant.name}: multiply-accumulates not counted", error)
            tasks = [Task(contestant, setting, source) for setting in settings for source in sources]
            done = _measure(tasks, single, bench, lanes, log, advance)
            entries.append(Entry(contestant, settings, done, gmacs))
    return entries


def _measure(
    tasks: Sequence[Task],
    metrics: Sequence[Metric],
    bench: Bench,
    lanes: Sequence[Lane],
    log: Log,
    advance: Callable[[str], None],
) -> dict[tuple[Setting, str], Done]:
    """Measure a contestant's tasks, as many at once as there are lanes."""
    free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
    for lane in lanes:
        free.put(lane)
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def work(task: Task) -> Done:
        lane = free.get()
        try:
            with steps.listening(replace(steps.listener(), check=check)):
                return bench.measure(task, metrics, lane)
        finally:
            free.put(lane)

    done = {}
    threads = ThreadPoolExecutor(len(lanes))
    try:
        jobs = {threads.submit(work, task): task for task in tasks}
        for job in as_completed(jobs):
            task = jobs[job]
            try:
                done[task.setting, task.source.name] = job.result()
            except CannotStart:  # nor could any other worker
                raise
            except Exception as error:  # a codec may raise anything; the other pictures are still measured
                log.fail(f"{task.contestant.name}, {task.setting.label}: {task.source.name} failed", error)
            advance(f"{task.contestant.name} {task.source.name}")
    except BaseException:
        stop.set()  # what the workers do now, nobody waits for
        threads.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        threads.shutdown(wait=True)
    return done


def _results(request: Request, sources: Sequence[Source], measured: Sequence[Curve], log: Log) -> Results:
    shown = request.published_curves()
    curves = [*measured, *shown]
    pictures = tuple(Original(source.name, source.width, source.height) for source in sources)
    log.notes.extend(published.remarks(shown, pictures, [metric.name for metric in request.metrics]))
    anchors = list(request.anchors) or default_anchors(measured)
    known = {curve.name for curve in curves}
    anchors = [name for name in anchors if name in known]  # one that failed is among the failures
    return Results(
        printable(request.data.name or Path(request.data).resolve().name),
        pictures,
        tuple(curves),
        differences(curves, anchors, pictures),
        (*log.failures, *log.notes),
        versions(request.metrics),
    )
