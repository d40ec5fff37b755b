"""Measures codecs one after another, each runtime in processes of its own."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from nic_core.errors import NicError
from nic_core.host.runtimes import Runtime
from nic_core.progress import report as tell

from nic_eval.bench import work
from nic_eval.bench.choice import Candidate, Entry, entries
from nic_eval.bench.machine import machine
from nic_eval.bench.processes import in_process
from nic_eval.bench.random_weights import write_random
from nic_eval.bench.report import Direction, LeftOut, Machine, Report, Run

NO_RUNTIME = "neither torch nor onnxruntime can run it here"


@dataclass
class Benchmark:
    """One run of `nic bench`.

    pixels: uint8 or uint16 (H, W, C). quality: 1 to 100, for weights of a range; None for 50. repeat: how many runs
    medians are over. random: whether codecs without weights are measured with random ones.
    """

    candidates: Sequence[Candidate]
    pixels: np.ndarray
    picture: str
    quality: float | None
    repeat: int
    random: bool
    left_out: list[LeftOut] = field(default_factory=list)

    def run(self) -> Report:
        """Measure; NicError where a worker process dies while it looks at the machine."""
        tell("measuring the processor", 0, 1)
        here = in_process(machine)
        tell("measuring the processor", 1, 1)
        runs: list[Run] = []
        height, width = self.pixels.shape[:2]
        with tempfile.TemporaryDirectory(prefix="nic-bench-") as name:
            folder = Path(name)
            np.save(folder / "picture.npy", self.pixels)
            make = (lambda codec: _random(codec, folder)) if self.random else None
            for entry in entries(self.candidates, self.quality, make, self.left_out.append):
                runs += self._runs(entry, folder, here)
        return Report(here, self.picture, width, height, self.repeat, tuple(runs), tuple(self.left_out))

    def _runs(self, entry: Entry, folder: Path, here: Machine) -> list[Run]:
        """Return what a codec does by each runtime."""
        codec, runs = entry.candidate.spec.id, list[Run]()
        gmac: Mapping[str, float] = {}
        runtimes = entry.runtimes(here.instructions)
        if not runtimes:
            self.left_out.append(LeftOut(codec, "", NO_RUNTIME))
        for number, runtime in enumerate(runtimes):
            job = _job(entry, runtime, folder)
            tell(f"{codec} by {runtime}", 0, 2)
            try:
                found = in_process(work.measure, job, self.repeat, not gmac)
                tell(f"{codec} by {runtime}", 1, 2)
                peak = in_process(work.decode_peak, job)
            except NicError as error:
                self.left_out.append(LeftOut(codec, runtime if number else "", str(error)))
                if not number:  # the next one would not do better, and say the same
                    break
                continue
            finally:
                tell(f"{codec} by {runtime}", 2, 2)
            gmac = gmac or found.gmac
            runs.append(_run(entry, found, gmac, peak, here.gflops))
        return runs


def _random(codec: str, folder: Path) -> Path:
    path = folder / f"{codec}.safetensors"
    tell(f"random weights of {codec}", 0, 1)
    try:
        in_process(write_random, codec, path)
    finally:
        tell(f"random weights of {codec}", 1, 1)
    return path


def _job(entry: Entry, runtime: Runtime, folder: Path) -> work.Job:
    given = entry.candidate
    options = (given.encode_options, given.decode_options)
    place = (folder / "picture.npy", folder / "coded.nic")
    return work.Job(given.spec.id, entry.path, entry.quality, *options, runtime, *place)


def _run(entry: Entry, found: work.Measured, gmac: Mapping[str, float], decode_peak: int, gflops: float) -> Run:
    def direction(name: str, measured: tuple[float, dict[str, float]], peak: int) -> Direction:
        seconds, stages = measured
        return Direction.of(name, seconds, stages, gmac.get(name), gflops, found.symbols, peak)

    return Run(
        codec=entry.candidate.spec.id,
        weights=entry.name,
        random=entry.random,
        quality=entry.quality,
        runtime=found.runtime,
        bytes=found.bytes,
        symbols=found.symbols,
        tiles=found.tiles,
        encode=direction("encode", found.encode, found.encode_peak),
        decode=direction("decode", found.decode, decode_peak),
    )
