"""Does the jobs of a run, one after another or several at once, and shows how far it is."""

import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field, replace

from rich.progress import Progress

from nic_core import progress
from nic_core.cli import JOB
from nic_core.cli.bars import Row, bars
from nic_core.cli.jobs import STREAM, Job, Plan
from nic_core.cli.output import message, say, show
from nic_core.cli.settings import settings
from nic_core.engines.engine import Stopped
from nic_core.errors import CannotStart, NicError
from nic_core.files.atomic import check_writable, make_folder
from nic_core.printable import printable

logger = logging.getLogger("nic")

Say = Callable[[str], None]
"""Shows beside the progress bar what is being done."""

PATIENCE = 1.0
"""Seconds that Ctrl-C gives to jobs to end by themselves."""


@dataclass(frozen=True)
class Done:
    """What finished files count.

    size: bytes of the .nic files. damaged: how many have parts that are. files: how many they are; more, or none, where
    the job is a shard. failed: of a shard, a line for each member that could not be done. there: how many were.
    """

    size: int
    pixels: int
    damaged: int = 0
    files: int = 1
    failed: tuple[str, ...] = ()
    there: int = 0

    def __add__(self, other: "Done") -> "Done":
        """Return what both count."""
        return Done(
            self.size + other.size,
            self.pixels + other.pixels,
            self.damaged + other.damaged,
            self.files + other.files,
            self.failed + other.failed,
            self.there + other.there,
        )


NOTHING = Done(0, 0, files=0)

Work = Callable[[Job, Say], Done]
"""Does one job, and may say how far it is. Called in several threads where several files are worked on at once."""

Hand = Callable[[], AbstractContextManager[Work]]
"""Makes what does one job after another; each of those that work at once has its own."""


@dataclass
class Run:
    """The state of a run, which its threads share; it does not grow with the number of jobs that succeed.

    finished: how many jobs are. total: what they count together. failures: a line for each file that failed. error: of
    a job that is the only one. startup: seconds that each thread has spent on opening codecs. stop: set when the jobs
    shall end. late: whether failures are named at the end.
    """

    plan: Plan
    verb: str
    bars: Progress
    quiet: bool = False
    verbose: bool = False
    finished: int = 0
    total: Done = NOTHING
    startup: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    stop: threading.Event = field(default_factory=threading.Event)
    late: bool = False
    failures: list[str] = field(default_factory=list)
    error: Exception | None = None
    counting: threading.Lock = field(default_factory=threading.Lock)

    def attempt(self, number: int, work: Work) -> None:
        """Do one job; whatever it raises is its result, and the other files are still done."""
        job = self.plan.jobs[number]
        start, before = time.perf_counter(), self.startup[threading.get_ident()]
        try:
            self._prepare(job)
            with self._shown(job) as say:
                done = work(job, say)
        except CannotStart:  # nor can another worker
            raise
        except Exception as error:  # a codec may raise anything
            if isinstance(error, NicError) and str(job.source) not in str(error) and job.source != STREAM:
                error.args = (f"{job.source}: {error}",)
            logger.debug("%s", job.source, exc_info=True)
            if len(self.plan.jobs) > 1:
                self._count(NOTHING, message(error))
            else:
                self.error = error
        else:
            self._count(done, *done.failed)
            seconds = time.perf_counter() - start - self.startup[threading.get_ident()] + before
            if self.verbose:
                self.line(f"{job.source} -> {job.target}: {_sizes(done.size, done.pixels)}, {seconds:.2f} s")

    def _prepare(self, job: Job) -> None:
        """Find out before the work whether its result can be written."""
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
            with progress.listening(progress.Listener(row.step, note, opened, self._check)):
                yield say
        finally:
            row.remove()

    def _count(self, done: Done, *failures: str) -> None:
        with self.counting:
            self.finished += 1
            self.total += replace(done, failed=())
            self.failures += failures
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
    return run_by(plan, lambda: nullcontext(work), verb, at_once)


def run_by(plan: Plan, hand: Hand, verb: str, at_once: int, late: bool = False) -> int:
    """Do the jobs of a plan as `run_jobs` does, by so many hands at once. late: name what failed at the end."""
    chosen, start = settings(), time.perf_counter()
    with bars() as shown:
        run = Run(plan, verb, shown, chosen.quiet, chosen.verbose, late=late)
        overall = shown.add_task(verb, total=len(plan.jobs), visible=len(plan.jobs) > 1)

        def advance() -> None:
            failed = f", {len(run.failures)} failed" if late and run.failures else ""
            shown.update(overall, advance=1, description=verb + failed)

        try:
            _do(run, hand, min(at_once, len(plan.jobs)), advance)
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


def _do(run: Run, hand: Hand, at_once: int, advance: Callable[[], None]) -> None:
    """Do the jobs of a run, and call `advance` after each."""
    if at_once <= 1:
        with hand() as work:
            for number in range(len(run.plan.jobs)):
                run.attempt(number, work)
                advance()
        return
    numbers = iter(range(len(run.plan.jobs)))
    taking = threading.Lock()
    events: queue.SimpleQueue[BaseException | bool] = queue.SimpleQueue()  # a job's end, a thread's end, or its failure

    def serve() -> None:
        try:
            with hand() as work:
                while not run.stop.is_set():
                    with taking:
                        number = next(numbers, None)
                    if number is None:
                        break
                    run.attempt(number, work)
                    events.put(True)
            events.put(False)
        except BaseException as error:
            events.put(error)

    # Daemons, so that Ctrl-C need not wait for what they do. Each has a context of its own: it holds the listener.
    threads = [
        threading.Thread(target=copy_context().run, args=(serve,), name=f"{JOB} {number}", daemon=True)
        for number in range(at_once)
    ]
    try:
        for thread in threads:
            thread.start()
        running = at_once
        while running:
            try:
                event = events.get(timeout=0.2)  # not all systems let Ctrl-C through to a wait without an end
            except queue.Empty:
                continue
            if isinstance(event, BaseException):
                raise event
            if event:
                advance()
            else:
                running -= 1
    finally:
        run.stop.set()
        end = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))


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
