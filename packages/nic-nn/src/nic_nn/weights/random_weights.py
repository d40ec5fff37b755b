"""Random weights that anyone can rebuild: each drawn from a stream that depends on its name and a seed alone."""

import math
import zlib

import numpy as np
import torch
from torch import nn


def normal(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return standard normal float64 values from the stream of a name."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()) + 1_000_003 * seed)).standard_normal(shape)


def entry(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return the float32 values of a checkpoint's entry, at magnitudes that keep a network alive."""
    x = normal(name, shape, seed).astype(np.float32)
    last = name.rpartition(".")[2]
    if last == "quantiles":
        return np.stack([-8 - np.abs(x[..., 0]), 0.3 * x[..., 1], 8 + np.abs(x[..., 2])], -1)
    if last.startswith("_matrix"):
        layer = int(last.removeprefix("_matrix"))
        return np.float32(math.log(math.expm1(1 / 10**0.2 / (1 if layer == 4 else 3)))) + 0.05 * x
    for prefix, factor in (("_bias", 0.2), ("_factor", 0.1), ("relative_position_bias_table", 0.1)):
        if last.startswith(prefix):
            return factor * x
    if last in ("gamma", "beta") and len(shape) == 4:  # gains of residual branches
        return 0.5 * x
    if last == "gamma":  # of a GDN, as stored, or a gain
        return 0.1 * np.abs(x) / math.sqrt(shape[1]) if len(shape) == 2 else 0.5 * x
    if last == "beta":
        return 1 + 0.1 * np.abs(x)
    if len(shape) == 1:
        return 1 + 0.1 * x if last == "weight" else 0.05 * x
    return x / math.sqrt(math.prod(shape[1:]))


def filled(module: nn.Module) -> nn.Module:
    """Fill a module with weights that anyone can rebuild, see `entry`; return it, to evaluate."""
    for name, parameter in module.named_parameters():
        parameter.data = torch.from_numpy(np.array(entry(name, tuple(parameter.shape)), np.float32))
    return module.eval()
