"""What workers cost beside loops that know of none, and whether the process that gives them work grows.

    python tools/benchmarks/cluster.py
    python tools/benchmarks/cluster.py --engines ray,ray-single
    python tools/benchmarks/cluster.py --many 10000

The first encodes the same pictures three ways, in turn, several times over: by independent single-process loops, one
for each worker, at the same time; by as many processes of `--engine local`; by as many actors of `--engine ray` on a
cluster of so many nodes with a core each, all on this machine. Each has one thread. What a worker has done when its
first picture is finished, which is after all start-up, does not count. Rows are medians over the repeats; a percentage
compares each repeat with the loops of the same round. `ray-single` are the same actors, of which each picture is a call
of its own, in place of bundles.

The last encodes many pictures of 32 x 32 pixels and shows the resident memory of the process that gives them out,
and how long its processor works for each picture.
"""

import argparse
import multiprocessing
import os
import re
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from statistics import median

os.environ.update({"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "120"})

from nic_core.cli import crew as crews
from nic_core.cli.crew import Crew
from nic_core.cli.encode import PICTURES, encoder
from nic_core.cli.jobs import Job, Plan, plan
from nic_core.cli.work import Done, Say, Work
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from skimage import data

ENGINES = ("local", "ray")


def make(codec: str, log: Path) -> Work:
    """Return what encodes a file as `nic encode` does, and writes down when, with the process's processor time."""
    work = encoder(codec, None, "cpu", "auto", {}, None, None, False, None, None, PICTURES, "replace")

    def measured(job: Job, say: Say) -> Done:
        done = work(job, say)
        with log.open("a") as file:
            file.write(f"{os.getpid()} {time.time()} {time.process_time()}\n")
        return done

    return measured


def loop(codec: str, log: Path, jobs: Sequence[Job]) -> None:
    """Encode files one after another."""
    work = make(codec, log)
    for job in jobs:
        work(job, lambda stage: None)


def by_loops(codec: str, log: Path, jobs: Sequence[Job], workers: int) -> None:
    """Encode files by independent loops, each its share."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=loop, args=(codec, log, jobs[i::workers])) for i in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def by_engine(codec: str, log: Path, jobs: tuple[Job, ...], workers: int, engine: str, address: str | None) -> None:
    """Encode files as `nic encode --engine` does."""
    name, _, single = engine.partition("-")
    crew = Crew(workers, name, address, 1)
    with redirect_stdout(StringIO()), one_by_one() if single else nullcontext():
        code = crews.run(Plan(jobs, "replace"), partial(make, codec, log), "encode", 1, crew, "cpu")
    if code:
        raise SystemExit("not all pictures could be encoded")


@contextmanager
def one_by_one() -> Iterator[None]:
    """Have actors be given a picture in each call."""
    from nic_ray.engine import RayEngine

    usual, RayEngine.bundle = RayEngine.bundle, 0.0
    yield
    RayEngine.bundle = usual


def figures(log: Path) -> tuple[float, float]:
    """Return pictures a second of one worker, and processor seconds a picture, after each worker's first."""
    times = defaultdict(list)
    for line in log.read_text().splitlines():
        pid, wall, processor = line.split()
        times[pid].append((float(wall), float(processor)))
    ranges = [(items[0], items[-1], len(items) - 1) for items in times.values()]
    count = sum(n for _, _, n in ranges)
    return count / sum(b[0] - a[0] for a, b, _ in ranges), sum(b[1] - a[1] for a, b, _ in ranges) / count


def write_pictures(folder: Path, count: int, side: int) -> tuple[Job, ...]:
    """Write parts of a photograph as PNG files; return the jobs that encode them, as `nic encode` plans them."""
    photograph = data.astronaut()
    for number in range(count):
        row, column = (number * 37) % (513 - side), (number * 101) % (513 - side)
        part = Picture(photograph[row : row + side, column : column + side].copy())
        image_files.write(part, folder / f"{number}.png")
    return plan([folder], None, PICTURES, "replace").jobs


def compare(codec: str, engines: Sequence[str], workers: int, count: int, side: int, repeats: int) -> None:
    """Print the table of throughput."""
    with tempfile.TemporaryDirectory() as name, cluster(workers if uses_ray(engines) else 0) as address:
        folder = Path(name)
        jobs = write_pictures(folder, count, side)
        ways: dict[str, Callable[..., None]] = {"loops": partial(by_loops, codec, jobs=jobs, workers=workers)}
        for engine in engines:
            place = address if uses_ray([engine]) else None
            ways[engine] = partial(by_engine, codec, jobs=jobs, workers=workers, engine=engine, address=place)
        found: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for turn in range(repeats):
            order = list(ways) if turn % 2 == 0 else list(ways)[::-1]
            for way in order:
                log = folder / f"{way}-{turn}.log"
                ways[way](log=log)
                found[way].append(figures(log))
        size = sum(Path(job.target).stat().st_size for job in jobs) / count
        print(
            f"{codec}, {count} pictures of {side} x {side}, {size:.0f} bytes each, "
            f"{workers} workers of one thread, {repeats} repeats"
        )
        print(f"{'':12}{'pictures/s a worker':>22}{'of the loops':>14}{'CPU s a picture':>18}{'of the loops':>14}")
        for way, values in found.items():
            pairs = list(zip(values, found["loops"], strict=True))
            speed, processor = (median(value[i] for value in values) for i in (0, 1))
            of_speed, of_processor = (median(value[i] / base[i] for value, base in pairs) for i in (0, 1))
            print(f"{way:12}{speed:22.2f}{of_speed:14.1%}{processor:18.4f}{of_processor:14.1%}")


def resident() -> float:
    """Return this process's resident memory in MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]


def watch(codec: str, engines: Sequence[str], workers: int, count: int) -> None:
    """Print the memory of this process while it gives out many small pictures."""
    with tempfile.TemporaryDirectory() as name, cluster(workers if uses_ray(engines) else 0) as address:
        folder = Path(name)
        jobs = write_pictures(folder, count, 32)
        marks = [*range(count // 10, count, count // 10), count]
        print(f"{codec}, {count} pictures of 32 x 32, {workers} workers: MiB resident in who gives them out")
        print(f"{'done':12}" + "".join(f"{mark:>8}" for mark in marks) + f"{'seconds':>9}{'own CPU ms':>12}")
        for engine in engines:
            log, begin, processor = folder / f"{engine}.log", time.perf_counter(), time.process_time()
            with watched(log, marks) as seen:
                by_engine(codec, log, jobs, workers, engine, address if uses_ray([engine]) else None)
            cells = "".join(f"{seen[mark]:8.1f}" if mark in seen else f"{'-':>8}" for mark in marks)
            own = (time.process_time() - processor) / count * 1000
            print(f"{engine:12}{cells}{time.perf_counter() - begin:9.0f}{own:12.2f}")


@contextmanager
def watched(log: Path, marks: Sequence[int]) -> Iterator[dict[int, float]]:
    """Yield a dictionary that holds this process's memory by how many lines a log had then."""
    seen: dict[int, float] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            done = log.read_bytes().count(b"\n") if log.exists() else 0
            for mark in marks:
                if mark <= done:
                    seen.setdefault(mark, resident())

    thread = threading.Thread(target=look)
    thread.start()
    yield seen
    over.set()
    thread.join()
    seen.setdefault(marks[-1], resident())


def uses_ray(engines: Sequence[str]) -> bool:
    """Return whether an engine takes a cluster."""
    return any(engine.startswith("ray") for engine in engines)


@contextmanager
def cluster(nodes: int) -> Iterator[str]:
    """Yield the address of a Ray cluster of nodes with a core each; without nodes there is none."""
    if not nodes:
        yield ""
        return
    from ray.cluster_utils import Cluster

    started = Cluster()
    for _ in range(nodes):
        started.add_node(num_cpus=1, include_dashboard=False)
    started.wait_for_nodes()
    yield str(started.address)
    started.shutdown()


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codec", default="mini")
    parser.add_argument("--engines", default=",".join(ENGINES), help="some of local,ray,ray-single")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--many", type=int, default=0, help="instead, watch memory over so many small pictures")
    given = parser.parse_args()
    engines = given.engines.split(",")
    if given.many:
        watch(given.codec, engines, given.workers, given.many)
    else:
        compare(given.codec, engines, given.workers, given.pictures, given.side, given.repeats)


if __name__ == "__main__":
    main()
