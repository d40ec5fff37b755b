"""Does the jobs of a run, one after another or several at once, and shows how far it is."""

import logging
import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field, replace

from rich.progress import Progress

from nic_core import progress
from nic_core.cli import JOB
from nic_core.cli.bars import Row, bars
from nic_core.cli.interrupts import Interrupts
from nic_core.cli.jobs import STREAM, Job, Plan
from nic_core.cli.output import message, say, show
from nic_core.cli.settings import settings
from nic_core.cli.work import NOTHING, Attempt, Done, Hand, Hands, OneByOne, Say, Work
from nic_core.engines.engine import Stopped
from nic_core.errors import CannotStart, NicError
from nic_core.files.atomic import check_writable, make_folder
from nic_core.printable import printable

logger = logging.getLogger("nic")

PATIENCE = 1.0
"""Seconds that Ctrl-C gives to jobs to end by themselves."""


@dataclass
class Run:
    """The state of a run, which its threads share; it does not grow with the number of jobs that succeed.

    at_once: how many jobs, or bundles of them, are worked on. advance: called when a job is finished.
    waiting: the jobs that nobody is at yet. finished: how many jobs are. total: what they count together. failures: a
    line for each file that failed. error: of a job that is the only one. startup: seconds that each thread has spent
    on opening codecs. stop: set when the jobs shall end. interrupts: of the user's. late: whether failures are named at
    the end.
    """

    plan: Plan
    verb: str
    bars: Progress
    at_once: int = 1
    advance: Callable[["Run"], None] = lambda run: None
    quiet: bool = False
    verbose: bool = False
    waiting: deque[Job] = field(default_factory=deque)
    finished: int = 0
    total: Done = NOTHING
    startup: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    stop: threading.Event = field(default_factory=threading.Event)
    late: bool = False
    failures: list[str] = field(default_factory=list)
    error: Exception | None = None
    counting: threading.Lock = field(default_factory=threading.Lock)
    interrupts: Interrupts = field(default_factory=Interrupts)

    def __post_init__(self) -> None:
        """Have all jobs wait."""
        self.waiting.extend(self.plan.jobs)

    def serve(self, hand: Hand) -> None:
        """Give a hand jobs until none is left, or the user has enough."""
        while not (self.stop.is_set() or self.interrupts.enough) and (jobs := self._take(hand.room)):
            left = hand([job for job in jobs if self._can_be_done(job)], self._attempt)
            with self.counting:
                self.waiting.extendleft(reversed(left))

    def _take(self, most: int) -> list[Job]:
        """Return the next jobs, fewer towards the end, so that no hand works on while the others have nothing to do.

        A shard goes alone, and so does what was tried before: it may be what ended its worker.
        """
        with self.counting:
            most = max(1, min(most, len(self.waiting) // (2 * self.at_once)))
            jobs: list[Job] = []
            while self.waiting and len(jobs) < most and not (jobs and _goes_alone(self.waiting[0])):
                jobs.append(self.waiting.popleft())
                if _goes_alone(jobs[-1]):
                    break
            return jobs

    def _can_be_done(self, job: Job) -> bool:
        """Find out before the work whether its result can be written; where not, that is counted."""
        try:
            self._prepare(job)
        except Exception as error:
            self._failed(job, error)
            return False
        return True

    @contextmanager
    def _attempt(self, job: Job) -> Iterator[Attempt]:
        """See `Attempts`; the other files are still done."""
        start, before = time.perf_counter(), self.startup[threading.get_ident()]
        try:
            with self._shown(job) as say:
                attempt = Attempt(say)
                yield attempt
        except CannotStart:  # nor can another worker
            raise
        except Exception as error:  # a codec may raise anything
            self._failed(job, error)
        else:
            if (done := attempt.done) is not None:
                self._count(done, *done.failed)
                seconds = time.perf_counter() - start - self.startup[threading.get_ident()] + before
                seconds = seconds if attempt.seconds is None else attempt.seconds
                if self.verbose:
                    self.line(f"{job.source} -> {job.target}: {_sizes(done.size, done.pixels)}, {seconds:.2f} s")

    def _failed(self, job: Job, error: Exception) -> None:
        if isinstance(error, NicError) and str(job.source) not in str(error) and job.source != STREAM:
            error.args = (f"{job.source}: {error}",)
        logger.debug("%s", job.source, exc_info=True)
        if len(self.plan.jobs) > 1:
            self._count(NOTHING, message(error))
        else:
            self.error = error

    def _prepare(self, job: Job) -> None:
        if job.problem:
            raise NicError(job.problem)
        if job.target == STREAM:
            return
        if job.make_folder:
            make_folder(job.target.parent)
        if job.shard != "folder":
            check_writable(job.target)

    @contextmanager
    def _shown(self, job: Job) -> Iterator[Say]:
        """Show what a codec says while it works on a job: a bar for each long piece of work, and notes as lines."""
        name = "standard input" if job.source == STREAM else job.source.name
        row = Row(self.bars, f"{self.verb} {name}")

        def say(stage: str) -> None:
            self._check()
            row.rename(f"{self.verb} {name}, {stage}")

        def note(fact: str) -> None:
            if not self.quiet:
                self.line(fact if job.source == STREAM else f"{name}: {fact}")

        def opened(seconds: float) -> None:
            self.startup[threading.get_ident()] += seconds

        try:
            with progress.listening(progress.Listener(row.step, note, opened, self._check, self.interrupts.improving)):
                yield say
        finally:
            row.remove()

    def _count(self, done: Done, *failures: str) -> None:
        with self.counting:
            self.finished += 1
            self.total += replace(done, failed=())
            self.failures += failures
        self.advance(self)
        for text in () if self.late else failures:
            self.line(f"nic: {text}")

    def _check(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def line(self, text: str) -> None:
        """Show a line above the bars."""
        self.bars.console.print(printable(text), markup=False, highlight=False, emoji=False, soft_wrap=True)


def run_jobs(plan: Plan, work: Work, verb: str, at_once: int = 1) -> int:
    """Do the jobs of a plan; a failed one is named and the rest still done. Returns the exit code.

    at_once: how many are worked on at the same time, by threads.
    """
    return run_by(plan, lambda: nullcontext(OneByOne(work)), verb, at_once)


def run_by(plan: Plan, hands: Hands, verb: str, at_once: int, late: bool = False) -> int:
    """Do the jobs of a plan as `run_jobs` does, by so many hands at once. late: name what failed at the end."""
    chosen, start = settings(), time.perf_counter()
    with bars() as shown:
        overall = shown.add_task(verb, total=len(plan.jobs), visible=len(plan.jobs) > 1)

        def advance(run: Run) -> None:
            failed = f", {len(run.failures)} failed" if late and run.failures else ""
            shown.update(overall, completed=run.finished, description=verb + failed)

        run = Run(
            plan, verb, shown, max(1, min(at_once, len(plan.jobs))), advance, chosen.quiet, chosen.verbose, late=late
        )
        try:
            with run.interrupts.taken():
                _do(run, hands)
            if run.waiting:  # those that Ctrl-C left
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            if len(plan.jobs) > 1:
                run.line(f"nic: {run.finished} of {len(plan.jobs)} files were done; --skip-existing does the rest")
            raise
    if run.error:
        raise run.error
    for note in plan.notes:
        say(note, err=True)
    if late and run.failures:
        show(f"nic: {len(run.failures)} failed:", err=True)
        for text in run.failures:
            show(f"nic: {text}", err=True)
    say(_summary(run, time.perf_counter() - start), plan.to_stream)
    return 1 if run.failures or run.total.damaged else 0


def _do(run: Run, hands: Hands) -> None:
    """Do the jobs of a run."""
    if run.at_once <= 1:
        with hands() as hand:
            run.serve(hand)
        return
    ends: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()  # of the threads, with what one raised

    def serve() -> None:
        try:
            with hands() as hand:
                run.serve(hand)
            ends.put(None)
        except BaseException as error:
            ends.put(error)

    # Daemons, so that Ctrl-C need not wait for what they do. Each has a context of its own: it holds the listener.
    threads = [
        threading.Thread(target=copy_context().run, args=(serve,), name=f"{JOB} {number}", daemon=True)
        for number in range(run.at_once)
    ]
    try:
        for thread in threads:
            thread.start()
        running = run.at_once
        while running:
            try:
                end = ends.get(timeout=0.2)  # not all systems let Ctrl-C through to a wait without an end
            except queue.Empty:
                continue
            if end is not None:
                raise end
            running -= 1
    finally:
        run.stop.set()
        until = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


def _goes_alone(job: Job) -> bool:
    return bool(job.shard) or job.again


def _summary(run: Run, seconds: float) -> str:
    """Return what a run came to. Times are without start-up, which is named."""
    total, there = run.total, run.plan.there + run.total.there
    if not run.plan.jobs:
        return f"nothing to do: {_count(there, 'output')} {'is' if there == 1 else 'are'} there already"
    startup = max(run.startup.values(), default=0.0)
    text = f"{_count(total.files, 'file')}, {_sizes(total.size, total.pixels)}, {max(seconds - startup, 0):.1f} s"
    if startup >= 0.05:
        text += f" (and {startup:.1f} s to start)"
    if there:
        text += f"; {there} there already"
    if total.damaged:
        text += f"; {total.damaged} damaged"
    if run.failures:
        text += f"; {len(run.failures)} failed"
    return text


def _sizes(size: int, pixels: int) -> str:
    return f"{size} bytes, {8 * size / pixels:.3f} bpp" if pixels else f"{size} bytes"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
