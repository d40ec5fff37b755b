"""Mutated .nic files with a sound CRC, half of them changed in the entropy-coded streams: what decoding them does.

python tools/benchmarks/mutate.py --count 500
python tools/benchmarks/mutate.py --first 50000 --count 50000 --processes 2 --keep findings/

Only errors of nic_core.errors are in order, and pictures. Anything else is a finding: another exception, a process
that dies or hangs, more than 10 seconds of a processor, more memory than a file's header allows. File N of a seed is
always the same, so that --first goes on where a run ended. Findings are named by their numbers, and kept with --keep.
"""

import logging
import multiprocessing
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import click
import nic_core as nic
from mutations import Mutant, Sample, mutant, samples
from nic_core.errors import NicError
from peak import growth

MAX_PIXELS = 1 << 20
LONGEST = 10.0
"""Seconds of a processor."""
PATIENCE = 300.0
"""Seconds of the clock after which a process hangs; other work may keep it from a processor."""
FIXED, A_PIXEL = 256 << 20, 256
"""Bytes that decoding may take: for any picture, since metadata may unpack to 64 MiB of each kind, and for a pixel.

Sides count rounded up to multiples of 64.
"""


@dataclass(frozen=True)
class Result:
    """What became of a file. outcome: "decoded", or an error's class. says: of what is no error of nic's."""

    number: int
    sample: str
    in_stream: bool
    outcome: str
    seconds: float = 0.0
    memory: int = 0
    allowed: int = 0
    says: str = ""

    @property
    def finding(self) -> str:
        """What is not in order; empty where all is."""
        if self.says:
            return f"{self.outcome}: {self.says}"
        if self.seconds > LONGEST:
            return f"{self.outcome} after {self.seconds:.1f} s"
        if self.memory > self.allowed:
            return f"{self.outcome} with {self.memory / 1e6:.0f} MB, of {self.allowed / 1e6:.0f} MB allowed"
        return ""


def allowed(data: bytes) -> int:
    """Return how many bytes of memory a file's header lets a decoder take."""
    with suppress(NicError):
        head = nic.inspect(data)
        if head.width * head.height <= MAX_PIXELS:
            return FIXED + A_PIXEL * (head.width + -head.width % 64) * (head.height + -head.height % 64)
    return FIXED


def read(case: Mutant) -> None:
    """Decode a file, or say what a prompt is that needs a generator to become a picture."""
    if case.sample == "textsketch-pic":
        nic.load(nic.inspect(case.data).codec, device="cpu").parts(case.data, max_pixels=MAX_PIXELS)
    else:
        nic.decode(case.data, device="cpu", max_pixels=MAX_PIXELS)


def attempt(case: Mutant, number: int) -> Result:
    """Read one file and measure."""
    outcome, says, start = "decoded", "", time.process_time()
    with growth() as memory:
        try:
            read(case)
        except NicError as error:
            outcome, says = type(error).__name__, "" if _one_line(error) else f"not one line: {str(error)!r}"
        except BaseException as error:  # what must not happen, and is counted here
            outcome, says = type(error).__name__, str(error)[:300] or "without a message"
    seconds = time.process_time() - start
    return Result(number, case.sample, case.in_stream, outcome, seconds, memory.bytes, allowed(case.data), says)


def _one_line(error: NicError) -> bool:
    return bool(str(error)) and "\n" not in str(error)


def serve(files: list[Sample], seed: int, numbers: range, pipe: Connection) -> None:
    """Read files in a process of their own."""
    logging.disable(logging.CRITICAL)
    for file in files:
        read(Mutant(file.name, False, file.data))  # opens the weights
    for number in numbers:
        pipe.send(attempt(mutant(files, seed, number), number))
    pipe.close()


@dataclass
class Lane:
    """A process at work, followed by another where it dies. left: the numbers that it still has to do."""

    files: list[Sample]
    seed: int
    left: range
    heard: float = 0.0

    def __post_init__(self) -> None:
        """Start the process."""
        self._start()

    def _start(self) -> None:
        self.heard = time.monotonic()
        self.pipe, theirs = multiprocessing.Pipe(duplex=False)
        context: Any = multiprocessing.get_context("spawn")
        self.process = context.Process(target=serve, args=(self.files, self.seed, self.left, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def results(self) -> Iterator[Result]:
        """Yield what is known by now."""
        try:
            while self.left and self.pipe.poll():
                yield self.pipe.recv()
                self.left, self.heard = self.left[1:], time.monotonic()
        except EOFError:
            self.process.join()
            yield from self._lost(f"the process ended with exit code {self.process.exitcode}")
        else:
            if self.left and time.monotonic() - self.heard > PATIENCE:
                self.process.kill()
                yield from self._lost(f"nothing heard for {PATIENCE:.0f} s")

    def _lost(self, says: str) -> Iterator[Result]:
        case = mutant(self.files, self.seed, self.left[0])
        yield Result(self.left[0], case.sample, case.in_stream, "lost", says=says)
        self.left = self.left[1:]
        if self.left:
            self._start()


@dataclass
class Tally:
    """All that is reported of a run."""

    counts: dict[str, Counter[bool]] = field(default_factory=lambda: defaultdict(Counter))
    findings: list[Result] = field(default_factory=list)
    slowest: list[Result] = field(default_factory=list)
    largest: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count a result."""
        self.counts[result.outcome][result.in_stream] += 1
        if result.finding:
            self.findings.append(result)
        self.slowest = sorted([*self.slowest, result], key=lambda item: -item.seconds)[:5]
        self.largest = sorted([*self.largest, result], key=lambda item: item.allowed - item.memory)[:5]

    def table(self) -> str:
        """Return the report."""
        lines = ["| outcome | changed in streams | changed elsewhere |", "| --- | --- | --- |"]
        totals: Counter[bool] = sum(self.counts.values(), Counter())
        for name, count in [*sorted(self.counts.items()), ("all", totals)]:
            lines.append(f"| {name} | {count[True]} | {count[False]} |")
        lines += ["", "| number | sample | outcome | s | MB | MB allowed |", "| --- | --- | --- | --- | --- | --- |"]
        for item in [*self.slowest, *self.largest]:
            memory = f"{item.memory / 1e6:.0f} | {item.allowed / 1e6:.0f}"
            lines.append(f"| {item.number} | {item.sample} | {item.outcome} | {item.seconds:.2f} | {memory} |")
        lines += ["", f"{len(self.findings)} findings"]
        lines += [f"{item.number} ({item.sample}): {item.finding}" for item in self.findings]
        return "\n".join(lines)


@click.command(help=__doc__.replace("\n\npython", "\n\n\b\npython") if __doc__ else None)
@click.option("--count", default=100_000, show_default=True, help="How many files.")
@click.option("--first", default=0, show_default=True, help="The number of the first.")
@click.option("--seed", default=0, show_default=True)
@click.option("--processes", default=1, show_default=True)
@click.option("--minutes", type=float, help="Stop after so long, and say where.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder to write findings into.")
def main(count: int, first: int, seed: int, processes: int, minutes: float | None, keep: Path | None) -> None:
    """Run and print the table; exit code 1 where something was found."""
    os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")  # for the processes: they download nothing
    files, tally = samples(), Tally()
    numbers, end = range(first, first + count), time.monotonic() + 60 * (minutes or 1e9)
    lanes = [Lane(files, seed, numbers[place::processes]) for place in range(processes)]
    done = 0
    with click.progressbar(length=count, label="files") as bar:
        while any(lane.left for lane in lanes) and time.monotonic() < end:
            wait([lane.pipe for lane in lanes if lane.left], timeout=1)
            for result in (result for lane in lanes for result in lane.results()):
                tally.add(result)
                bar.update(1)
                done += 1
                if result.finding and keep:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{seed}-{result.number}.nic").write_bytes(mutant(files, seed, result.number).data)
    for lane in lanes:
        lane.process.kill()
    rest = min((lane.left[0] for lane in lanes if lane.left), default=first + count)
    click.echo(f"{done} files of seed {seed}, from {first}; all below {rest} are done\n\n{tally.table()}")
    raise SystemExit(bool(tally.findings))


if __name__ == "__main__":
    main()
