"""What does many pieces of work at once: an engine, its workers, and what they say to the one who asked.

The interface knows nothing about pictures. `nic_core.engines.local` implements it by processes of this machine; a
plugin may bring another one by the hook `nic_engines`.
"""

import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from nic_core.errors import BadOption, NicError, NoEngine
from nic_core.plugins import blamed, records
from nic_core.plugins.discovery import brought_twice
from nic_core.plugins.published import ENGINES
from nic_core.spec import EngineSpec, resolve

LOCAL = EngineSpec("local", "nic_core.engines.local:LocalEngine", "Processes of this machine.")


class Link(Protocol):
    """How a piece of work that runs in a worker reaches the one who asked for it."""

    def send(self, message: Any, surely: bool = False) -> None:
        """Give a message, which can be pickled, to the `receive` of `Worker.do`; it comes before the result.

        surely: wait until it has come, so that it is known if this process dies at what it does next.
        """

    def check(self) -> None:
        """Raise `Stopped` where nobody waits for the work any more."""


Serve = Callable[[Any, Link], Any]
"""Does one task and returns its result; both can be pickled."""

Make = Callable[[], Serve]
"""Called once in every worker, where it opens what all tasks need. Can be pickled."""


class Stopped(BaseException):
    """Ends a piece of work that nobody waits for; not to be caught."""


class Worker(Protocol):
    """One place where tasks are done, one after another, by a process that is started when it is first needed.

    Not to be used by several threads at once.
    """

    def do(self, task: Any, receive: Callable[[Any], None]) -> Any:
        """Do a task in the worker and return its result; raises what it raises.

        receive: called here with each message that the task sends.

        While it waits it calls `nic_core.progress.check`; what that raises ends the task and the worker's process.
        WorkerDied where the process ends without an answer, MachineLost where that is its machine's end; the next task
        has a new one. CannotStart where `make` fails in the worker.
        """

    def close(self) -> None:
        """End the worker's process at once, whatever it does, and give back what it holds."""


class Engine(Protocol):
    """Gives workers.

    slots: how many of them work at once. bundle: how many seconds the small tasks that go to a worker in one call
    should last together, as calls cost something; 0, as for an engine that does not say, has them go one by one.
    """

    @property
    def slots(self) -> int:
        """See the class."""

    @property
    def bundle(self) -> float:
        """See the class."""

    def worker(self, make: Make, *, beside: bool = False) -> Worker:
        """Return a worker that calls `make` once.

        beside: it works only while another worker of the same slot waits, and takes no place of its own.
        """

    def close(self) -> None:
        """End all workers, and give back what the engine holds."""


@dataclass(frozen=True)
class Wanted:
    """What an engine is opened with.

    workers: how many, None for one on each GPU, or where there are none on each core. threads: of each worker on the
    processor, None for the engine's own choice. device: as of `nic_core.load`. address: of the engine's cluster.

    The target of an `EngineSpec` is called with it and returns an `Engine`; BadOption where it cannot be had.
    """

    workers: int | None = None
    threads: int | None = None
    device: str = "auto"
    address: str | None = None


def open_engine(name: str, wanted: Wanted) -> Engine:
    """Return an engine by name; BadOption for what it does not take.

    NoEngine where no installed package brings it, or two do.
    """
    brought = list(records("nic_engines"))
    found = {LOCAL.name: LOCAL} | {spec.name: spec for _, spec in brought if spec.name != LOCAL.name}
    who = [plugin for plugin, spec in brought if spec.name == name != LOCAL.name]
    if len(who) > 1:
        both = brought_twice(who, f"an engine {name!r}")
        raise NoEngine(f"{both}; uninstall one, or set NIC_DISABLE_PLUGINS to its plugin's name")
    if name not in found:
        missing = f"no installed package brings the engine {name!r}"
        if distribution := ENGINES.get(name):
            missing = f"the engine {name!r} is not installed: pip install {distribution}"
        raise NoEngine(f"{missing}; installed: {', '.join(sorted(found))}")
    if wanted.address is not None and name == LOCAL.name:
        raise BadOption(f"the engine {name} runs on this machine and takes no address")
    with blamed(found[name], "its start"):
        engine: Engine = resolve(found[name].target)(wanted)
    return engine


class RemoteTraceback(Exception):
    """Where in a worker's program an error arose: the cause of errors that come from there, shown by --debug."""

    def __str__(self) -> str:
        """Return the lines."""
        return f"\n{self.args[0]}"


def portable(error: Exception) -> tuple[Exception, str]:
    """Return an error, or one that says the same where it cannot be pickled, and where it arose, to `raise_here`."""
    lines = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # of errors that take more than a message
        text = " ".join(str(error).split())
        error = NicError(text) if isinstance(error, NicError) else RuntimeError(f"{type(error).__name__}: {text}")
    return error, lines


def raise_here(error: Exception, lines: str) -> None:
    """Raise what `portable` returned in a worker."""
    raise error from RemoteTraceback(lines)
