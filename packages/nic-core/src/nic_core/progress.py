"""What a codec says while it works, to whoever listens: how far it is, and facts about the result.

A listener can also end the work, at the steps that the codec passes.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, replace
from typing import TypeVar

from nic_core import callers

logger = logging.getLogger("nic")

Item = TypeVar("Item")

SHORT = 0.1
"""Seconds between two looks at whether work shall end that passes no steps itself."""


def _never() -> None:
    """Let the work go on."""


@dataclass(frozen=True)
class Listener:
    """Who is told.

    step: called with what is done, how many steps of it are, and how many there are in all, 0 if that is unknown.
    note: called with a fact about a result.
    opened: called with the seconds that it took to import a codec and to read its weights, or to wait for that.
    check: called at every step, also at those too short to report; what it raises ends the work. While a library works
    that passes no steps another thread calls it, in the same context, some times a second.
    improving: entered while work has a result and makes it better; gives what says whether the result is good enough.
    """

    step: Callable[[str, int, int], None]
    note: Callable[[str], None]
    opened: Callable[[float], None] = lambda seconds: None
    check: Callable[[], None] = _never
    improving: Callable[[], AbstractContextManager[Callable[[], bool]]] = lambda: nullcontext(lambda: False)


_NOBODY = Listener(lambda what, done, total: None, lambda fact: logger.info("%s", fact))
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_kept: ContextVar[dict[str, bytes] | None] = ContextVar("kept", default=None)
_everywhere = _NOBODY
"""Who is told in threads where nobody listens."""


def listener() -> Listener:
    """Return who is told here."""
    return _listener.get() or _everywhere


def check() -> None:
    """Pass a step of long work: whoever listens may end the work here, by an exception."""
    try:
        listener().check()
    except BaseException as error:  # a context manager would cost more, and this is done before every layer
        callers.mark(error)
        raise


@contextmanager
def improving() -> Iterator[Callable[[], bool]]:
    """Do in a block what makes a result better that is there already, for as long as what is given is false.

    A listener that wants to have it as it is makes that true, where another exception would lose the result.
    """
    with listener().improving() as enough:
        yield enough


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Have who listens be asked while a block works that passes no steps: whether it shall end, and by what exception.

    stop: called, by another thread, when that is so; must make the block end soon. What the listener raised is then
    raised in place of what the block raises.
    """
    if listener().check is _never:
        yield
        return
    over, raised = threading.Event(), list[BaseException]()

    def look() -> None:
        while not over.wait(SHORT):
            try:
                check()
            except BaseException as error:
                raised.append(error)
                stop()
                return

    thread = threading.Thread(target=copy_context().run, args=(look,), name="nic check", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        if raised:
            raise raised[0]


def report(what: str, done: int, total: int) -> None:
    """Say that `done` of `total` steps of some work are done; 0 in all if that is unknown.

    what: in a few words: "inverting the prompt". At `done == total` the work is over.
    """
    check()
    with callers.callers_own():
        listener().step(what, done, total)


def track(items: Iterable[Item], what: str, total: int = 0, done: int = 0) -> Iterator[Item]:
    """Yield items, reporting each when the next is asked for.

    total: how many there are, by default the length of `items`. done: how many were done before, part of the total.
    """
    total = total or (done + len(items) if isinstance(items, Sized) else 0)
    report(what, done, total)
    for number, item in enumerate(items, done + 1):
        yield item
        report(what, number, total)


@dataclass
class Count:
    """How far some work is whose steps are of many sizes: reported at its beginning and by each `add`."""

    what: str
    total: int
    done: int = 0

    def __post_init__(self) -> None:
        """Report the beginning."""
        report(self.what, self.done, self.total)

    def add(self, steps: int) -> None:
        """Report that so many more are done."""
        self.done += steps
        report(self.what, self.done, self.total)


_stage: ContextVar[Count | None] = ContextVar("stage", default=None)


@contextmanager
def stage(what: str, total: int = 1) -> Iterator[None]:
    """Report a block as one piece of work: its steps where it passes any by `step`, and its end.

    total: about how many steps there are; those beyond do not count.
    """
    token = _stage.set(Count(what, total))
    try:
        yield
    finally:
        _stage.reset(token)
    report(what, total, total)


def step() -> None:
    """Pass a step, as `check` does, which counts for the stage around it."""
    count = _stage.get()
    if count is None or count.done + 1 >= count.total:
        check()
    else:
        count.add(1)


@contextmanager
def quietly() -> Iterator[None]:
    """Report no steps of work in this block, which is itself part of one; whoever listens may still end it."""
    with listening(replace(listener(), step=lambda what, done, total: None)):
        yield


def note(fact: str) -> None:
    """Say a fact about a result that its user wants to know; logged where nobody listens."""
    with callers.callers_own():
        listener().note(fact)


@contextmanager
def keeping() -> Iterator[dict[str, bytes]]:
    """Collect what codecs `keep` in this block: contents of files by suffix, as `PixelCodec.parts` returns them."""
    kept: dict[str, bytes] = {}
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)


def keep(suffix: str, make: Callable[[], bytes]) -> None:
    """Give what only an encoder has of a picture and a person can look at, where somebody collects it.

    suffix: of the file that it may become, ".drawn.png". make: called for its content, if at all.
    """
    kept = _kept.get()
    if kept is not None:
        kept[suffix] = make()


@contextmanager
def opening() -> Iterator[None]:
    """Measure a block that imports a codec or reads its weights, so that times of coding can do without."""
    start = time.perf_counter()
    yield
    with callers.callers_own():
        listener().opened(time.perf_counter() - start)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have work in this block report to a listener, and work in threads of nic's own and in asyncio's."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def listen_everywhere(listener: Listener | None) -> None:
    """Have all work of this process report to a listener where `listening` says nothing else; None for nobody.

    Threads that a host starts begin without a context: what is said in them comes here. It is called in them, too.
    """
    global _everywhere
    _everywhere = listener or _NOBODY


@contextmanager
def checking(check: Callable[[], None]) -> Iterator[None]:
    """Have `check` called, too, at every step of work in this block, whoever listens."""
    outer = listener()

    def both() -> None:
        outer.check()
        check()

    with listening(replace(outer, check=both)):
        yield
