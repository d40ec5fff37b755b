"""What gives a worker its jobs, and shows what it says of them."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from nic_core import progress
from nic_core.cli.crew.service import Answer
from nic_core.cli.jobs import Job
from nic_core.cli.work import Attempts, Done, Say
from nic_core.engines.engine import Worker, raise_here
from nic_core.errors import CannotStart, MachineLost, WorkerDied

logger = logging.getLogger("nic")

MACHINES = 3
"""How many machines may be lost at one job."""

FIRST = "/"
"""Where a worker died that did not surely tell which member of a shard it was at."""

MOST = 64
"""Jobs in a bundle."""


class Bundles:
    """The hand of a worker: gives it as many small jobs in a call as last so many seconds, by what the last ones took.

    See `nic_core.cli.work.Hand`. A bundle whose worker dies says nothing of any of its jobs: each is done once more, by
    itself.
    """

    def __init__(self, worker: Worker, seconds: float) -> None:
        self._worker, self._seconds = worker, seconds
        self.room = 1

    def __call__(self, jobs: Sequence[Job], attempt: Attempts) -> Sequence[Job]:
        """See `Hand`."""
        begin = time.perf_counter()
        left = self._bundle(jobs, attempt) if len(jobs) > 1 else self._alone(jobs, attempt)
        finished = len(jobs) - len(left)
        wanted = self._seconds * finished / (time.perf_counter() - begin)
        self.room = max(1, min(int(wanted), MOST))
        return left

    def _alone(self, jobs: Sequence[Job], attempt: Attempts) -> Sequence[Job]:
        for job in jobs:
            with attempt(job) as at:
                at.done = do(self._worker, job, at.say)
        return ()

    def _bundle(self, jobs: Sequence[Job], attempt: Attempts) -> Sequence[Job]:
        number = 0  # of the job that is shown
        with ExitStack() as shown:
            say = shown.enter_context(attempt(jobs[number])).say

            def receive(message: tuple[int, tuple[str, Any]]) -> None:
                nonlocal number, say
                at, told = message
                if at != number:
                    shown.close()
                    number, say = at, shown.enter_context(attempt(jobs[at])).say
                tell(say, told)

            try:
                answers: tuple[Answer, ...] = self._worker.do(tuple(jobs), receive)
            except CannotStart:
                raise
            except Exception as error:
                logger.info("%s and %d more: %s; trying each by itself", jobs[0].source, len(jobs) - 1, error)
                return [replace(job, again=True) for job in jobs]
        for job, answer in zip(jobs, answers, strict=False):
            with attempt(job) as shows:
                shows.seconds, shows.done = answer.seconds, answer.done
                if answer.error:
                    raise_here(*answer.error)
        return jobs[len(answers) :]


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
        if message[0] == "say":
            at = message[1] if sharded else ""
        tell(say, message)

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


def tell(say: Say, message: tuple[str, Any]) -> None:
    """Pass on here what a worker tells of a job."""
    kind, content = message
    if kind == "say":
        say(content)
    else:
        TOLD[kind](*content)


TOLD: dict[str, Callable[..., None]] = {
    "note": lambda fact: progress.note(fact),
    "step": lambda what, done, total: progress.listener().step(what, done, total),
    "opened": lambda seconds: progress.listener().opened(seconds),
    "log": lambda level, text: logger.log(level, "%s", text),
}
"""What becomes here of what a worker tells, by its kind."""
