"""What does jobs in a worker's process, and tells of them."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nic_core import progress
from nic_core.cli.jobs import Job
from nic_core.cli.work import Done, Work
from nic_core.engines.engine import Link, Serve, portable

logger = logging.getLogger("nic")

OFTEN = 0.25
"""Seconds between two steps of a codec that a worker tells of."""


@dataclass(frozen=True)
class Answer:
    """What came of a job in a bundle: what is done, or an error as `portable` gives it."""

    seconds: float
    done: Done | None
    error: tuple[Exception, str] | None = None


@dataclass(frozen=True)
class Service:
    """Does jobs in a worker, and tells what `run_jobs` shows.

    level: from which on log records are told. bundle: seconds after which no further job of a bundle is begun.
    """

    make: Callable[[], Work]
    level: int
    bundle: float = 0.0

    def __call__(self) -> Serve:
        """Open what the jobs need."""
        handler = _Sending()
        logger.addHandler(handler)
        logger.setLevel(self.level)
        logger.propagate = False
        work = self.make()

        def one(job: Job, link: Link) -> Done:
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

        def serve(task: Job | tuple[Job, ...], link: Link) -> Done | tuple[Answer, ...]:
            if isinstance(task, Job):
                return one(task, link)
            answers: list[Answer] = []
            begin = start = time.perf_counter()
            for number, job in enumerate(task):
                try:
                    done, error = one(job, _Numbered(link, number)), None
                except Exception as raised:  # a codec may raise anything
                    done, error = None, portable(raised)
                now = time.perf_counter()
                answers.append(Answer(now - start, done, error))
                start = now
                if now - begin > self.bundle:
                    break
            return tuple(answers)

        return serve


@dataclass(frozen=True)
class _Numbered:
    """The link of one job of a bundle; see `nic_core.engines.engine.Link`."""

    link: Link
    number: int

    def send(self, message: Any, surely: bool = False) -> None:
        self.link.send((self.number, message), surely)

    def check(self) -> None:
        self.link.check()


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
