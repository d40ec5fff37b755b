"""What `nic bench` found out: frozen records, which JSON shows as they are and `tables` for people."""

from collections.abc import Mapping
from dataclasses import dataclass

ANALYSIS, ENTROPY, SYNTHESIS, PIXELS = "analysis", "entropy", "synthesis", "pixels"
STAGES = {"encode": (PIXELS, ANALYSIS, ENTROPY), "decode": (ENTROPY, SYNTHESIS, PIXELS)}
"""By direction, in the order in which they happen. pixels: between integers and the tensors that transforms see."""
TRANSFORM = {"encode": ANALYSIS, "decode": SYNTHESIS}
"""The stage in floating point."""


@dataclass(frozen=True)
class Machine:
    """Where it was measured.

    processor: its name. cores: that this process may use; threads: that the transforms use.
    instructions: sets that count for codecs, of those that the processor has; native: the one that nic-native runs,
    or why there is none. versions: of torch, onnxruntime and numpy, "" for what is not installed.
    matrix_gflops, convolution_gflops: 1e9 float32 operations a second, a multiply-accumulate counted as two; None for a
    convolution without torch. integer_gmacs: 1e9 multiply-accumulates of 16-bit integers a second, None without
    nic-native. load: processes that ran or waited in the minute before, None where the system does not say.
    """

    processor: str
    cores: int
    threads: int
    instructions: tuple[str, ...]
    native: str
    versions: Mapping[str, str]
    matrix_gflops: float
    convolution_gflops: float | None
    integer_gmacs: float | None
    load: float | None

    @property
    def gflops(self) -> float:
        """The rate that shares of stages are of: the higher one."""
        return max(self.matrix_gflops, self.convolution_gflops or 0.0)

    @property
    def busy(self) -> bool:
        """Whether others use it so much that times are longer than it alone would take."""
        return self.load is not None and self.load > self.cores / 4


@dataclass(frozen=True)
class Direction:
    """Encoding or decoding by one runtime.

    seconds: median of the whole call. stages: medians by name, of STAGES; empty where another codec does the work.
    other: seconds outside of all stages, 0 where stages overlap.
    gmac: 1e9 multiply-accumulates of the transform, None where they were not counted; of_rate: the share of the
    machine's rate that it reaches. symbols_per_second: of the entropy stage. peak_bytes: of a process that does this
    alone, once, with all that it imports; 0 where the system does not say.
    """

    seconds: float
    stages: Mapping[str, float]
    other: float
    gmac: float | None
    of_rate: float | None
    symbols_per_second: float | None
    peak_bytes: int

    @classmethod
    def of(
        cls,
        name: str,
        seconds: float,
        stages: Mapping[str, float],
        gmac: float | None,
        gflops: float,
        symbols: int | None,
        peak_bytes: int,
    ) -> "Direction":
        """Return "encode" or "decode", with what follows from its times. gflops: the machine's rate."""
        transform, entropy = stages.get(TRANSFORM[name]), stages.get(ENTROPY)
        return cls(
            seconds,
            {name: stages[name] for name in STAGES[name] if name in stages},
            max(0.0, seconds - sum(stages.values())),
            gmac,
            2 * gmac / transform / gflops if gmac and transform else None,
            symbols / entropy if symbols and entropy else None,
            peak_bytes,
        )


@dataclass(frozen=True)
class Run:
    """One codec by one runtime. random: whether its weights are. quality: None for weights of a single rate.

    bytes: of the file. symbols: in it, of y and z; None where they were not seen. tiles: that the picture is coded in.
    """

    codec: str
    weights: str
    random: bool
    quality: float | None
    runtime: str
    bytes: int
    symbols: int | None
    tiles: int
    encode: Direction
    decode: Direction


@dataclass(frozen=True)
class LeftOut:
    """What was not measured, and why. runtime: empty where it holds for all."""

    codec: str
    runtime: str
    reason: str


@dataclass(frozen=True)
class Report:
    """All of it. picture: name or path; repeat: how many runs medians are over."""

    machine: Machine
    picture: str
    width: int
    height: int
    repeat: int
    runs: tuple[Run, ...]
    left_out: tuple[LeftOut, ...]
