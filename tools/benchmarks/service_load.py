"""Eight clients at once for a minute against docs/examples/service, started here on the loopback address.

    hatch run python tools/benchmarks/service_load.py

Each client uploads a picture of its own, then asks for it at random qualities, formats, regions and scales, and now and
then uploads it changed. Prints a table of answers and times, and how much memory the server has over the run; the exit
code is 1 where there is another answer than 200, 201 and the intended 503, or where memory grows.
"""

import argparse
import io
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from skimage import data

SERVICE = Path(__file__).parents[2] / "docs" / "examples" / "service"
INTENDED = {200, 201, 503}
GROWTH = 1.1
"""How much more memory the last quarter of a run may take than the second."""


@dataclass(frozen=True)
class Server:
    """A service that runs: its address and its process."""

    url: str
    process: subprocess.Popen

    def memory(self) -> int:
        """Return its resident bytes; 0 where the system does not say."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0
        return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)


@contextmanager
def serving(folder: Path, **settings: object) -> Iterator[Server]:
    """Run the service for the length of a block, with files below a folder. settings: as of the service's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = {f"NIC_SERVICE_{name.upper()}": str(value) for name, value in {"folder": folder, **settings}.items()}
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(SERVICE), "--factory", "service:create"]
    command += ["--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, env={**os.environ, **given})
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(f"{url}/codecs", timeout=30)
                break
            except httpx.TransportError:
                if process.poll() is not None:
                    raise RuntimeError("the service does not start") from None
                time.sleep(0.1)
        yield Server(url, process)
    finally:
        process.terminate()
        process.wait(30)


@dataclass
class Load:
    """What clients were answered. times: seconds by status. memory: of the server, once a while."""

    times: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    memory: list[int] = field(default_factory=list)
    without_retry_after: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        """What was not intended, in lines."""
        found = [f"{len(times)} answers {status}" for status, times in self.times.items() if status not in INTENDED]
        if self.without_retry_after:
            found.append(f"{self.without_retry_after} answers 503 without Retry-After")
        return found + self.failed

    def quarter(self, number: int) -> float:
        """Return the median memory of a quarter of the run, 0 to 3."""
        size = max(1, len(self.memory) // 4)
        return statistics.median(self.memory[number * size : (number + 1) * size] or [0])


def load(server: Server, seconds: float, clients: int = 8) -> Load:
    """Return what so many clients are answered in so many seconds."""
    found, lock, end = Load(), threading.Lock(), time.monotonic() + seconds

    def ask(client: httpx.Client, method: str, url: str, **how: object) -> httpx.Response:
        start = time.perf_counter()
        answer = client.request(method, url, **how)  # type: ignore[arg-type]
        took = time.perf_counter() - start
        with lock:
            found.times[answer.status_code].append(took)
            found.without_retry_after += answer.status_code == 503 and "retry-after" not in answer.headers
        return answer

    def visit(number: int) -> None:
        chance, name = random.Random(number), ""
        try:
            with httpx.Client(base_url=server.url, timeout=120) as client:
                while time.monotonic() < end:
                    if not name or chance.random() < 0.05:
                        answer = ask(client, "POST", "/pictures", content=picture(chance.randrange(10_000)))
                        name = answer.json().get("name", "") if answer.status_code == 201 else ""
                    else:
                        answer = ask(client, "GET", f"/pictures/{name}", **wish(chance))
                    if answer.status_code == 503:
                        time.sleep(0.2)
        except Exception as error:
            found.failed.append(f"client {number}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found.memory.append(server.memory())
        time.sleep(0.25)
    return found


def picture(seed: int) -> bytes:
    """Return a photograph as a JPEG file, a little different for each seed."""
    pixels = np.roll(data.coffee(), seed, 1)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def wish(chance: random.Random) -> dict[str, dict[str, object]]:
    """Return what a client wants of its picture."""
    kind = chance.choice(["image/png", "image/avif", "image/jpeg", "image/x-nic"])
    params: dict[str, object] = {"quality": chance.randrange(10, 100, 10)}
    if kind != "image/x-nic":
        params |= chance.choice([{}, {"region": "100,100,200,200"}, {"scale": "1/2"}, {"scale": "1/8"}])
    return {"headers": {"Accept": kind}, "params": params}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2, help="of the service, that work on pictures")
    parser.add_argument("--waiting", type=int, default=4, help="requests that may wait for them")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), threads=options.threads, waiting=options.waiting) as server,
    ):
        found = load(server, options.seconds, options.clients)
    total = sum(map(len, found.times.values()))
    print(f"{options.clients} clients, {options.seconds:g} s, {options.threads} threads, {options.waiting} may wait")
    print(f"{total} answers, {total / options.seconds:.1f} a second\n")
    print(f"{'status':<10}{'answers':>10}{'median, s':>12}{'95 %, s':>10}")
    for status, times in sorted(found.times.items()):
        late = sorted(times)[int(0.95 * len(times))]
        print(f"{status:<10}{len(times):>10}{statistics.median(times):>12.3f}{late:>10.3f}")
    quarters = [found.quarter(number) / 1e6 for number in range(4)]
    print(f"\nmemory by quarters of the run, MB: {', '.join(f'{value:.0f}' for value in quarters)}")
    errors = found.errors
    if quarters[3] > GROWTH * quarters[1]:
        errors.append("memory grows")
    sys.exit("\n".join(errors) if errors else 0)


if __name__ == "__main__":
    main()
