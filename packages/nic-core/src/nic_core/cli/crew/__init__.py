"""`--workers` and `--engine`: the jobs of a run, done by worker processes, here or on other machines."""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import click

from nic_core.cli.bars import working
from nic_core.cli.crew.hand import Bundles
from nic_core.cli.crew.service import Service
from nic_core.cli.jobs import STREAM, Plan
from nic_core.cli.running import run_by, run_jobs
from nic_core.cli.work import Hand, Work
from nic_core.engines.engine import LOCAL, Engine, Wanted, open_engine

logger = logging.getLogger("nic")


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

    A worker is given its next job, or bundle of small ones, when it has done one. One that dies is replaced and its job
    tried once more; see `hand.do`.
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
        bundle = getattr(engine, "bundle", 0.0)

        @contextmanager
        def hand() -> Iterator[Hand]:
            with closing(engine.worker(Service(make, logger.level, bundle))) as worker:
                yield Bundles(worker, bundle)

        # The list of failures comes at the end: whoever has many pictures does not watch them.
        return run_by(plan, hand, verb, engine.slots, late=True)
