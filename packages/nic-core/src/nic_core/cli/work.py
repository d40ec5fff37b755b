"""What jobs are done by, and what comes of them: the terms in which a run and those who work for it speak."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from nic_core.cli.jobs import Job

Say = Callable[[str], None]
"""Shows beside the progress bar what is being done."""


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


@dataclass
class Attempt:
    """One job while somebody is at it. say: shows how far it is. done: what came of it, None as long as nothing did.

    seconds: how long it took, where that is known better than by the time that the attempt lasts.
    """

    say: Say
    done: Done | None = None
    seconds: float | None = None


Attempts = Callable[[Job], AbstractContextManager[Attempt]]
"""Shows a job while a block is at it; what that raises or says is done is counted as the job's result."""


class Hand(Protocol):
    """Does some jobs at a time, for one thread of a run."""

    @property
    def room(self) -> int:
        """How many small jobs it would be given next."""

    def __call__(self, jobs: Sequence[Job], attempt: Attempts) -> Sequence[Job]:
        """Do jobs; returns those that it did not get to, as they are to be done by somebody."""


@dataclass(frozen=True)
class OneByOne:
    """The hand of a thread that works itself."""

    work: Work
    room: int = 1

    def __call__(self, jobs: Sequence[Job], attempt: Attempts) -> Sequence[Job]:
        """See `Hand`."""
        for job in jobs:
            with attempt(job) as at:
                at.done = self.work(job, at.say)
        return ()


Hands = Callable[[], AbstractContextManager[Hand]]
"""Makes what does the jobs of one of those that work at once."""
