"""Times the stages of a codec of latents while it codes: around the four methods that such a codec consists of."""

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
from nic_latent.tiles.tiled import TiledCodec

from nic_eval.bench.report import ANALYSIS, ENTROPY, PIXELS, STAGES, SYNTHESIS

METHODS = {
    "latents": ANALYSIS,
    "encode_latents": ENTROPY,
    "decode_latents": ENTROPY,
    "synthesised": SYNTHESIS,
}
"""Of `nic_latent.tiles.tiled.TiledCodec`, and the stage that each is."""
CONVERSIONS = {
    "torch": ("nic_nn.codec", {"to_tensor": ANALYSIS, "to_pixels": SYNTHESIS}),
    "torch-bf16": ("nic_nn.codec", {"to_tensor": ANALYSIS, "to_pixels": SYNTHESIS}),
    "onnxruntime": ("nic_latent.graph_codec", {"to_numbers": ANALYSIS, "to_pixels": SYNTHESIS}),
}
"""By runtime: the functions that convert pixels, and the stage within which each is called."""


@dataclass
class Watch:
    """Sums up seconds by stage. symbols: that were encoded, over all tiles."""

    seconds: dict[str, float] = field(default_factory=dict)
    symbols: int = 0

    def add(self, stage: str, seconds: float) -> None:
        """Add to a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def around(self, function: Callable, stage: str, within: str = "") -> Callable:
        """Return the function, timed. within: the stage that its time is taken from."""

        def timed(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*given, **named)
            finally:
                seconds = time.perf_counter() - start
                self.add(stage, seconds)
                if within:
                    self.add(within, -seconds)

        return timed

    def counting(self, encode: Callable) -> Callable:
        """Return `TiledCodec.encode_latents`, with its symbols counted."""

        def counted(y: np.ndarray, z: np.ndarray) -> tuple[bytes, int]:
            self.symbols += y.size + z.size
            return encode(y, z)

        return counted


@contextmanager
def watched(codec: TiledCodec) -> Iterator[Watch]:
    """Time what a codec does in a block; from outside, so that the codec itself knows nothing of it."""
    watch = Watch()
    module, conversions = CONVERSIONS[codec.runtime]
    owner = importlib.import_module(module)
    with ExitStack() as patches:
        for name, stage in METHODS.items():
            method = watch.around(getattr(codec, name), stage)
            patches.enter_context(
                patch.object(codec, name, watch.counting(method) if name == "encode_latents" else method)
            )
        for name, within in conversions.items():
            patches.enter_context(patch.object(owner, name, watch.around(getattr(owner, name), PIXELS, within)))
        yield watch


@dataclass
class Times:
    """Seconds of one direction, run by run. whole: of the calls; stages: by name."""

    direction: str
    whole: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)

    def add(self, whole: float, found: dict[str, float]) -> None:
        """Add a run."""
        self.whole.append(whole)
        for name in STAGES[self.direction]:
            if name in found:
                self.stages.setdefault(name, []).append(found[name])

    @property
    def medians(self) -> tuple[float, dict[str, float]]:
        """Of the whole, and by stage."""
        return median(self.whole), {name: median(seconds) for name, seconds in self.stages.items()}


def run_once(codec: TiledCodec, job: Callable[[], Any], times: Times) -> tuple[Any, Watch]:
    """Do a job of a codec, add its times, and return what it gives."""
    with watched(codec) as watch:
        start = time.perf_counter()
        result = job()
        times.add(time.perf_counter() - start, watch.seconds)
    return result, watch
