"""Rebuilds the reference checkpoints and their test picture; see golden/README.md."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
CODECS = ("tbtc-conv-hyperprior", "tbtc-conv-charm", "tbtc-swint-hyperprior", "tbtc-swint-charm")


def normal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return standard normal float64 values from the stream of a name."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape)


def entry(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the float32 values of a checkpoint's entry, at magnitudes that keep a network alive."""
    x = normal(name, shape).astype(np.float32)
    last = name.rpartition(".")[2]
    if last == "quantiles":
        return np.stack([-8 - np.abs(x[..., 0]), 0.3 * x[..., 1], 8 + np.abs(x[..., 2])], -1)
    if last.startswith("_matrix"):
        layer = int(last.removeprefix("_matrix"))
        return np.float32(math.log(math.expm1(1 / 10**0.2 / (1 if layer == 4 else 3)))) + 0.05 * x
    for prefix, factor in (("_bias", 0.2), ("_factor", 0.1), ("relative_position_bias_table", 0.1)):
        if last.startswith(prefix):
            return factor * x
    if last == "gamma":  # of a GDN, as stored
        return 0.1 * np.abs(x) / math.sqrt(shape[1])
    if last == "beta":
        return 1 + 0.1 * np.abs(x)
    if len(shape) == 1:
        return 1 + 0.1 * x if last == "weight" else 0.05 * x
    return x / math.sqrt(math.prod(shape[1:]))


def checkpoint(codec: str) -> dict[str, Tensor]:
    """Return the entries of a checkpoint; buffers, which are no weights, are zero."""
    return {
        name: torch.from_numpy(np.array(entry(name, tuple(shape)), dtype=np.float32))
        if kind == "fill"
        else torch.zeros(shape)
        for name, shape, kind in json.loads((GOLDEN / f"{codec}.manifest.json").read_text())
    }


def picture(height: int = 256, width: int = 256) -> Tensor:
    """Return the test picture, (1, 3, height, width) in [0, 1]."""
    i, j = np.mgrid[0:height, 0:width].astype(np.float32)
    c = np.arange(3, dtype=np.float32)[:, None, None]
    sine = 0.25 * np.sin(2 * np.pi * (i / (48 + 16 * c) + j / 96))
    chirp = 0.15 * np.cos(2 * np.pi * i * j / (7000 + 900 * c))
    noise = 0.04 * normal("image", (3, height, width))
    return torch.from_numpy(np.clip(0.5 + (sine + chirp) + noise, 0, 1).astype(np.float32))[None]
