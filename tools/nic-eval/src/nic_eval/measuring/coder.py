"""One measurement in this process: a picture through a real file and back, timed, and what the result is like."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nic_core.codec import Estimated
from nic_core.errors import NicError, TargetUnreachable
from nic_core.files.atomic import atomic_write, make_folder
from nic_core.host.target import Target, Trial, search

from nic_eval.contestants.contestant import Contestant, FilePicture, Setting, read_original, rgb
from nic_eval.contestants.estimates import EstimatedContestant
from nic_eval.memory import peak_memory, reset_peak_memory
from nic_eval.metrics import catalogue


@dataclass(frozen=True)
class Coded:
    """One coded picture.

    bytes: of the file. encode_s, decode_s: wall time with everything loaded. peak_memory: bytes that the process had in
    main memory at most meanwhile. decoded: uint8 (H, W, 3).
    """

    bytes: int
    encode_s: float
    decode_s: float
    peak_memory: int
    decoded: np.ndarray


class Coder:
    """Codes pictures with one contestant."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self._warm: set[str] = set()

    def code(self, source: Path, setting: Setting, target: Path) -> Coded:
        """Encode a picture, write the file, read it, decode it.

        The first time with some weights, all that is done once before, since it also loads them and warms caches.
        NicError where the decoded picture has another size.
        """
        original = read_original(source)
        if setting.weights not in self._warm:
            self.contestant.decode(self.contestant.encode(original, setting), setting)
            self._warm.add(setting.weights)
        reset_peak_memory()
        start = time.perf_counter()
        data = self.contestant.encode(original, setting)
        encode_s = time.perf_counter() - start

        make_folder(target.parent)
        atomic_write(target, data)
        data = target.read_bytes()

        start = time.perf_counter()
        decoded = self.contestant.decode(data, setting)
        decode_s = time.perf_counter() - start
        memory = peak_memory()
        _check_size(decoded, original)
        return Coded(len(data), encode_s, decode_s, memory, decoded)

    def estimate(self, source: Path, setting: Setting) -> Estimated:
        """Return what `EstimatedContestant.estimate` does; NicError where the decoded picture has another size."""
        assert isinstance(self.contestant, EstimatedContestant)
        original = read_original(source)
        found = self.contestant.estimate(original, setting)
        _check_size(found.pixels, original)
        return found

    def decode(self, path: Path, setting: Setting) -> np.ndarray:
        """Return the picture of a file that was coded before, uint8 (H, W, 3)."""
        return self.contestant.decode(path.read_bytes(), setting)

    def nearest(self, source: Path, target: Target) -> tuple[Setting, str]:
        """Return the setting whose file comes nearest to a rate without exceeding it, and a note where none does so."""
        picture = read_original(source)
        ladder = self.contestant.ladder()

        def attempt(rung: float) -> Trial:
            data = self.contestant.encode(picture, ladder[int(rung)])
            return Trial(rung, data, 8 * len(data) / (picture.width * picture.height))

        try:
            return ladder[int(search(attempt, range(len(ladder)), target).quality)], ""
        except TargetUnreachable as error:
            setting = ladder[int(error.nearest.quality)]
            return setting, f"{self.contestant.name} has no file of at most {target}: shown is {setting.label}"

    def gmacs(self, source: Path, setting: Setting) -> Mapping[str, float]:
        """Return what `Contestant.gmacs` counts."""
        return self.contestant.gmacs(read_original(source), setting)


def _check_size(decoded: np.ndarray, original: FilePicture) -> None:
    if decoded.shape[:2] != original.pixels.shape[:2]:
        height, width = decoded.shape[:2]
        raise NicError(f"it decodes to {width} x {height} instead of {original.width} x {original.height}")


def judge(names: Sequence[str], source: Path, decoded: np.ndarray) -> dict[str, float]:
    """Return the metrics of a decoded picture, without those that it is too small for. MetricUnavailable."""
    original = rgb(read_original(source).pixels)
    values = {name: catalogue.load(name)(original, decoded) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def unavailable(names: Sequence[str]) -> dict[str, str]:
    """Return the metrics that cannot be had, each with its reason in one line."""
    found = {}
    for name in names:
        try:
            catalogue.load(name)
        except catalogue.MetricUnavailable as error:
            found[name] = str(error)
    return found
