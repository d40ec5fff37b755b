"""`--workers` and `--engine`: the jobs of a run, done by worker processes, here or on other machines."""

import functools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import click

from nic_core import progress
from nic_core.cli.bars import working
from nic_core.cli.jobs import STREAM, Job, Plan
from nic_core.cli.running import Done, Say, Work, run_by, run_jobs
from nic_core.engines.engine import LOCAL, Engine, Link, Serve, Wanted, Worker, open_engine
from nic_core.errors import MachineLost, WorkerDied

logger = logging.getLogger("nic")

MACHINES = 3
"""How many machines may be lost at one job."""

FIRST = "/"
"""Where a worker died that did not surely tell which member of a shard it was at."""

OFTEN = 0.25
"""Seconds between two steps of a codec that a worker tells of."""


@dataclass(frozen=True)
class Crew:
    """Who does the jobs: the flags. Nobody but this process where neither workers nor an engine is asked for."""

    workers: int | None = None
    engine: str | None = None
    address: str | None = None
    threads: int | None = None

    def wanted(self) -> bool:
        """Return whether worker processes shall do the jobs; UsageError for flags that only they can keep to."""
        if self.engine or self.workers:
            return True
        if self.address is not None or self.threads is not None:
            raise click.UsageError("--address and --threads are for workers: give --workers or --engine")
        return False

    def chosen(self, device: str, otherwise: int | None = None) -> tuple[str, Wanted]:
        """Return the engine's name and what it is opened with. otherwise: workers, where no crew is asked for."""
        workers = self.workers if self.wanted() else otherwise
        return self.engine or LOCAL.name, Wanted(workers, self.threads, device, self.address)

    def open(self, device: str) -> Engine:
        """Return the engine; NicError where it cannot be had. device: as of `nic_core.load`."""
        name, wanted = self.chosen(device)
        with working(f"starting the engine {name}"):
            return open_engine(name, wanted)


def with_crew(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a verb, which gets them as one argument, `crew`."""

    @click.option(
        "--workers",
        type=click.IntRange(1),
        metavar="N",
        help="Worker processes, each with its share of the cores, or of the GPUs.",
    )
    @click.option(
        "--engine",
        metavar="NAME",
        help="What runs the workers: 'local', this machine, or one of a plugin, for several machines. "
        "Without --workers there is one for each GPU, or else for each core.",
    )
    @click.option("--address", metavar="HOST:PORT", help="Of the engine's cluster, or 'auto'.")
    @click.option("--threads", type=click.IntRange(1), metavar="N", help="Cores that each worker uses.")
    @functools.wraps(command)
    def collected(
        *args: Any,
        workers: int | None,
        engine: str | None,
        address: str | None,
        threads: int | None,
        **others: Any,
    ) -> Any:
        return command(*args, crew=Crew(workers, engine, address, threads), **others)

    return collected


def run(plan: Plan, make: Callable[[], Work], verb: str, at_once: int, crew: Crew, device: str) -> int:
    """Do the jobs of a plan, by worker processes where a crew is asked for; returns the exit code.

    make: returns what does a job, and can be pickled: it is called here, and once in each worker. at_once: as of
    `run_jobs`, without workers.

    A worker is given its next job when it has done one, so that this process holds no more of them than there are
    workers. One that dies is replaced and its job tried once more; see `do`.
    """
    wanted = crew.wanted()
    if wanted and at_once > 1:
        raise click.UsageError("--jobs is for threads of one process: give --workers or --jobs")
    if wanted and any(STREAM in (job.source, job.target) for job in plan.jobs):
        raise click.UsageError("workers read and write files, not standard input or output")
    work = make()  # for workers, too: what is wrong with the options shows before one starts
    if not wanted or not plan.jobs:
        return run_jobs(plan, work, verb, at_once)
    with closing(crew.open(device)) as engine:

        @contextmanager
        def hand() -> Iterator[Work]:
            with closing(engine.worker(Service(make, logger.level))) as worker:
                yield functools.partial(do, worker)

        # The list of failures comes at the end: whoever has many pictures does not watch them.
        return run_by(plan, hand, verb, engine.slots, late=True)


def do(worker: Worker, job: Job, say: Say) -> Done:
    """Do a job in a worker, and once more where that dies; WorkerDied where the other does, too.

    Of a shard, one that is done again tells which member it is at; a member at which two such die is left out. That a
    machine is lost is no fault of the job: it is done again, up to `MACHINES` times.
    """
    deaths: Counter[str] = Counter()
    at, lost = "", 0  # the member of a shard that the worker is at; machines
    sharded = bool(job.shard)

    def receive(message: tuple[str, Any]) -> None:
        nonlocal at
        kind, content = message
        if kind == "say":
            at = content if sharded else ""
            say(content)
        else:
            TOLD[kind](*content)

    while True:
        at = ""
        try:
            done: Done = worker.do(job, receive)
            return done
        except MachineLost as error:
            lost += 1
            if lost > MACHINES:
                raise
            logger.info("%s: %s; trying again", job.source, error)
            job = replace(job, again=True)
        except WorkerDied as error:
            if sharded and not job.again:
                at = FIRST
            deaths[at] += 1
            if deaths[at] > 1 and not at:
                raise WorkerDied(f"{job.source}: {error}, twice") from error
            without = (*job.without, at) if deaths[at] > 1 else job.without
            logger.info("%s: %s; trying again", job.source, error)
            job = replace(job, again=True, without=without)


TOLD: dict[str, Callable[..., None]] = {
    "note": lambda fact: progress.note(fact),
    "step": lambda what, done, total: progress.listener().step(what, done, total),
    "opened": lambda seconds: progress.listener().opened(seconds),
    "log": lambda level, text: logger.log(level, "%s", text),
}
"""What becomes here of what a worker tells, by its kind."""


@dataclass(frozen=True)
class Service:
    """Does jobs in a worker, and tells what `run_jobs` shows. level: from which on log records are told."""

    make: Callable[[], Work]
    level: int

    def __call__(self) -> Serve:
        """Open what the jobs need."""
        handler = _Sending()
        logger.addHandler(handler)
        logger.setLevel(self.level)
        logger.propagate = False
        work = self.make()

        def serve(job: Job, link: Link) -> Done:
            def say(stage: str) -> None:
                link.check()
                link.send(("say", stage), surely=job.again)

            listener = progress.Listener(
                _seldom(lambda *step: link.send(("step", step))),
                lambda fact: link.send(("note", (fact,))),
                lambda seconds: link.send(("opened", (seconds,))),
                link.check,
            )
            handler.link = link
            with progress.listening(listener):
                return work(job, say)

        return serve


def _seldom(step: Callable[[str, int, int], None]) -> Callable[[str, int, int], None]:
    """Return a `Listener.step` that tells of a piece of work now and then, and of the end of what it told of."""
    told: dict[str, float] = {}
    begin = time.monotonic()

    def tell(what: str, done: int, total: int) -> None:
        now, ends = time.monotonic(), 0 < total <= done
        if (what in told) if ends else now - told.get(what, begin) >= OFTEN:
            told[what] = now
            step(what, done, total)

    return tell


class _Sending(logging.Handler):
    """Sends log records along a link."""

    link: Link | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.link:
            text = record.getMessage()
            if record.exc_info:
                text += f"\n{logging.Formatter().formatException(record.exc_info)}"
            self.link.send(("log", (record.levelno, text)))
