"""What the machine is and how fast it multiplies, measured in a process of its own."""

import os
import platform
import re
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from nic_core import native
from nic_core.cores import cores

from nic_eval.bench.report import Machine

SETS = {
    "avx2": "AVX2",
    "fma": "FMA",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 bf16",
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX bf16",
    "asimd": "NEON",
    "asimddp": "NEON dot products",
    "i8mm": "int8 matrices",
    "bf16": "bf16",
    "sve": "SVE",
}
"""Instruction sets by what Linux calls them."""
FAST_BF16 = frozenset({"AVX-512 bf16", "AMX bf16"})
"""Those with which torch computes faster in bfloat16."""
CPU_INFO = Path("/proc/cpuinfo")
SIDE = 512
"""Of the matrices that are multiplied: some milliseconds, so that the best of many is undisturbed on a busy machine."""
CHANNELS, MAP = 192, (32, 48)
"""Of a convolution of 3 x 3, and the height and width of what it runs on: those of a codec's y at 768 x 512."""
LEAST_SECONDS = 1.0
"""That a rate is measured for."""


def machine() -> Machine:
    """Return this machine; takes some seconds."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    info = _cpu_info()
    with_torch = find_spec("torch") is not None
    if with_torch:
        import torch  # may be missing

        threads = torch.get_num_threads()
    else:
        threads = cores()
    return Machine(
        processor=processor(info),
        cores=cores(),
        threads=threads,
        instructions=instructions(info),
        native=_native_set(),
        versions={name: _version(name) for name in ("torch", "onnxruntime", "numpy")},
        matrix_gflops=_torch_matrix_rate() if with_torch else _numpy_matrix_rate(),
        convolution_gflops=_torch_convolution_rate() if with_torch else None,
        integer_gmacs=None if native.why_not() else _integer_rate(),
        load=load,
    )


def processor(info: str) -> str:
    """Return the processor's name. info: what /proc/cpuinfo holds, if anything."""
    found = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    name = found[1].strip() if found else platform.processor()
    return name if name and name != platform.machine() else f"{platform.machine()} processor"


def instructions(info: str) -> tuple[str, ...]:
    """Return the sets that a processor has, by the names of SETS. info: what /proc/cpuinfo holds, if anything."""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", info, re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    return tuple(name for flag, name in SETS.items() if flag in flags)


def _cpu_info() -> str:
    with suppress(OSError):
        return CPU_INFO.read_text(errors="replace")
    return ""


def _native_set() -> str:
    if reason := native.why_not():
        return f"none: {reason}"
    from nic_native.arrays import SETS, instruction_set  # optional

    return SETS[instruction_set()]


def _version(distribution: str) -> str:
    with suppress(PackageNotFoundError):
        return version(distribution)
    return ""


def rate(run: Callable[[], object], work: float) -> float:
    """Return the best rate of several runs after one that does not count; work: of one run."""
    run()
    best, start = np.inf, time.perf_counter()
    while (before := time.perf_counter()) - start < LEAST_SECONDS:
        run()
        best = min(best, time.perf_counter() - before)
    return work / best


def _numpy_matrix_rate() -> float:
    a = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    return rate(lambda: a @ a, 2 * SIDE**3 / 1e9)


def _torch_matrix_rate() -> float:
    import torch

    with torch.inference_mode():
        a = torch.rand(SIDE, SIDE)
        return rate(lambda: a @ a, 2 * SIDE**3 / 1e9)


def _torch_convolution_rate() -> float:
    import torch

    with torch.inference_mode():
        x = torch.rand(1, CHANNELS, *MAP).to(memory_format=torch.channels_last)
        weight = torch.rand(CHANNELS, CHANNELS, 3, 3).to(memory_format=torch.channels_last)
        return rate(lambda: torch.nn.functional.conv2d(x, weight, padding=1), 2 * _convolution_macs() / 1e9)


def _integer_rate() -> float:
    from nic_native.convolutions import convolution

    generator = np.random.default_rng(0)
    weight = generator.integers(-1024, 1024, (CHANNELS, CHANNELS, 3, 3))
    bias, shift = np.zeros(CHANNELS, np.int64), np.full(CHANNELS, 12)
    run = convolution(weight, bias, shift, (0,), (1 << 15) - 1, 1, 1)
    x = generator.integers(-256, 256, (1, *MAP, CHANNELS)).astype(np.int32)
    return rate(lambda: run(x), _convolution_macs() / 1e9)


def _convolution_macs() -> int:
    return CHANNELS**2 * 9 * MAP[0] * MAP[1]
