"""The engine: workers that are actors on the machines of a Ray cluster."""

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when a cluster starts; who wants it says 1
os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")  # a machine that has other work takes longer than 30
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns of it at every start

import nic_core
import ray
from nic_core import progress
from nic_core.engines.engine import Make, Wanted, raise_here
from nic_core.errors import BadOption, CannotStart, MachineLost, NicError, WorkerDied
from ray._private import worker
from ray.exceptions import RayActorError, RayError

from nic_ray.remote import Actor

SHORT = 0.2
"""Seconds between two looks at whether the work shall end."""

PATIENCE = 0.5
"""Seconds that an actor has to end its task by itself, so that no half file stays behind."""

STREAM = {"num_returns": "streaming", "_generator_backpressure_num_objects": 1}
"""What a task says comes while it runs, and it can wait until one thing has come."""

BUNDLE = 1.0
"""Seconds of small tasks that go to an actor in one call, which takes some milliseconds of processor on each side."""

ANSWER = 10.0
"""Seconds that a cluster has to answer."""


class RayEngine:
    """Actors on a Ray cluster; see `nic_core.engines.engine.Engine`.

    Without an address, and without RAY_ADDRESS, a cluster of this machine alone is started, and ended by `close`; one
    that this process is connected to already is used, and left as it is. Each worker has a GPU where the cluster has
    some and the device allows it; otherwise it has `threads` cores, by default one.
    """

    bundle = BUNDLE

    def __init__(self, wanted: Wanted) -> None:
        self._workers: list[RayWorker] = []
        self._ours = not ray.is_initialized()
        if self._ours:
            _connect(wanted.address)
            self._prints, worker.print_to_stdstream = worker.print_to_stdstream, _nothing
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        on_gpus = wanted.device in ("auto", "cuda") and any(node.get("GPU") for node in nodes)
        threads = wanted.threads or _threads(nodes, on_gpus)
        self.slots = wanted.workers or _places(nodes, threads, on_gpus)
        if not self.slots:
            self.close()
            raise BadOption(f"no machine of the cluster has {threads} cores; see --threads")
        self._needs: dict[str, Any] = {"num_cpus": threads, "num_gpus": int(on_gpus)}
        self._environment = _environment(threads)

    def worker(self, make: Make, *, beside: bool = False) -> "RayWorker":
        """See `Engine.worker`."""
        needs = {"num_cpus": 0, "num_gpus": 0} if beside else self._needs
        made = RayWorker(make, {**needs, "runtime_env": {"env_vars": self._environment}})
        self._workers.append(made)
        return made

    def close(self) -> None:
        """See `Engine.close`."""
        for made in self._workers:
            made.close()
        if self._ours:
            ray.shutdown()
            worker.print_to_stdstream = self._prints


class RayWorker:
    """An actor; see `nic_core.engines.engine.Worker`. needs: options of the actor."""

    def __init__(self, make: Make, needs: dict[str, Any]) -> None:
        self._make, self._needs = make, needs
        self._actor: Any = None
        self._busy = False

    def do(self, task: Any, receive: Callable[[Any], None]) -> Any:
        """See `Worker.do`."""
        begin = time.perf_counter()
        try:
            if self._actor is None:
                actor = Actor.options(scheduling_strategy="SPREAD", **self._needs)  # type: ignore[attr-defined]
                self._actor = actor.remote(self._make, nic_core.__version__, os.getcwd())
            self._busy = True
            answers = self._actor.do.options(**STREAM).remote(task)
            while True:
                while not ray.wait([answers], timeout=SHORT, fetch_local=False)[0]:
                    progress.check()
                kind, content = ray.get(next(answers))
                if kind == "ready":
                    progress.listener().opened(time.perf_counter() - begin)
                elif kind == "message":
                    receive(content)
                else:
                    break
        except RayActorError as error:
            self.close()
            if "creation task failed" in str(error):
                raise CannotStart(f"a worker cannot start: {_line(error)}") from error
            kind_of = MachineLost if "node has died" in str(error) else WorkerDied
            raise kind_of(f"the worker process died ({_reason(error)})") from error
        except RayError as error:
            self.close()
            raise NicError(f"Ray: {_line(error)}") from error
        except BaseException:  # an interrupt, too: what the actor does now, nobody waits for
            self.close()
            raise
        self._busy = False
        if kind == "result":
            return content
        if kind == "unfit":
            self.close()
            raise CannotStart(f"a worker cannot start: {content}")
        return raise_here(*content)

    def pid(self) -> int:
        """Return the number of the actor's process on its machine; not before the first task."""
        return ray.get(self._actor.pid.remote())

    def close(self) -> None:
        """See `Worker.close`."""
        actor, self._actor = self._actor, None
        if actor is None:
            return
        if self._busy:
            ray.wait([actor.stop.remote()], timeout=PATIENCE)
            time.sleep(SHORT)
        self._busy = False
        ray.kill(actor)


def _nothing(*given: object, **named: object) -> None:
    """Print nothing: Ray tells on standard output what becomes of workers, which nic says itself."""


def _connect(address: str | None) -> None:
    """Connect to a cluster, or start one; NicError where there is none."""
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    how: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    if address not in ("local", "auto"):
        _find(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, namespace="nic", **how)
    except ConnectionError as error:
        where = "runs on this machine" if address == "auto" else f"answers at {address}"
        raise NicError(f"no Ray cluster {where}: ray start --head") from error
    except (RuntimeError, ValueError) as error:  # other versions of Ray or Python, among others
        raise NicError(f"Ray does not connect to {address}: {_line(error)}") from error


def _find(address: str) -> None:
    """Look whether there is anything at HOST:PORT, which Ray does for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "//" in host:
        raise BadOption(f"the address is auto or HOST:PORT, such as head:6379, not {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()
    except (OSError, OverflowError) as error:
        raise NicError(f"no Ray cluster answers at {address}: {error}") from error


def _threads(nodes: Sequence[dict[str, float]], on_gpus: bool) -> int:
    """Return how many cores a worker has unless it is said: one, or a GPU's share of its machine's."""
    shares = [node.get("CPU", 0) // node["GPU"] for node in nodes if on_gpus and node.get("GPU")]
    return max(1, int(min(shares, default=1)))


def _places(nodes: Sequence[dict[str, float]], threads: int, on_gpus: bool) -> int:
    """Return how many workers find room at once."""
    places = [int(node.get("CPU", 0) // threads) for node in nodes]
    if on_gpus:
        places = [min(place, int(node.get("GPU", 0))) for place, node in zip(places, nodes, strict=True)]
    return sum(places)


def _environment(threads: int) -> dict[str, str]:
    """Return the environment variables of the actors: what decides this process's work decides theirs."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("NIC_") or name == "GOMP_SPINCOUNT"}
    return {**ours, "OMP_NUM_THREADS": str(threads)}


def _reason(error: RayActorError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "exit" in line.lower() or "died" in line.lower() or "killed" in line.lower()]
    return (told or lines or ["Ray does not say why"])[-1][:200]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
