"""What the processes of a benchmark do: each opens one codec by one runtime and measures it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nic_core as nic
import numpy as np
from nic_core.errors import BadOption
from nic_core.host.coding import tiling_of
from nic_core.host.runtimes import Runtime, target_of

from nic_eval.memory import peak_memory
from nic_eval.operations import counted


@dataclass(frozen=True)
class Job:
    """One codec by one runtime.

    weights: a file. quality: None for weights of a single rate. options: of encoding and decoding, by name.
    picture: pixels as a .npy file. file: of the codec's; encoding writes it, decoding reads it.
    """

    codec: str
    weights: Path
    quality: float | None
    encode_options: Mapping[str, Any]
    decode_options: Mapping[str, Any]
    runtime: Runtime
    picture: Path
    file: Path


@dataclass(frozen=True)
class Measured:
    """What a process found out. encode, decode: seconds of the whole and of stages; gmac: by direction, if counted."""

    runtime: str
    bytes: int
    symbols: int | None
    tiles: int
    encode: tuple[float, dict[str, float]]
    decode: tuple[float, dict[str, float]]
    encode_peak: int
    gmac: Mapping[str, float]


def measure(job: Job, repeat: int, count: bool) -> Measured:
    """Encode and decode a picture in turns, and write its file.

    repeat: how many runs medians are over, after one that does not count. count: whether to count operations too.
    BadOption for a codec that has no latents.
    """
    from nic_eval.bench.stages import Times, run_once  # brings nic_latent, which only codecs of latents need

    codec, opened = _open(job)
    pixels = np.load(job.picture)
    encode = partial(codec.encode, pixels, job.quality, **job.encode_options)
    data = encode()
    encode_peak = peak_memory()
    job.file.write_bytes(data)
    decode = partial(codec.decode_picture, data, **job.decode_options)
    decode()
    encoding, decoding = Times("encode"), Times("decode")
    for _ in range(repeat):
        _, watch = run_once(opened, encode, encoding)
        run_once(opened, decode, decoding)
    tiling = tiling_of(opened, pixels.shape[1], pixels.shape[0], None)
    return Measured(
        opened.runtime,
        len(data),
        watch.symbols or None,
        tiling.unit_count(pixels.shape[1], pixels.shape[0]) if tiling else 1,
        encoding.medians,
        decoding.medians,
        encode_peak,
        gmacs(job, pixels, data) if count else {},
    )


def decode_peak(job: Job) -> int:
    """Decode a file and return what memory that took, see `nic_eval.memory.peak_memory`."""
    codec, _ = _open(job)
    codec.decode_picture(job.file.read_bytes(), **job.decode_options)
    return peak_memory()


def gmacs(job: Job, pixels: np.ndarray, data: bytes) -> dict[str, float]:
    """Return 1e9 multiply-accumulates of the transforms by direction; none without torch, whose operations they are.

    Convolutions, matrix products and attention. What decides symbols is computed in integers, which torch does not see.
    """
    if not find_spec("torch"):
        return {}
    codec = nic.load(job.codec, job.weights, "cpu", "torch")
    codec.model.requires_grad_(False)  # the counter would follow gradients that inference does not have
    _, encode = counted(lambda: codec.encode(pixels, job.quality, **job.encode_options))
    _, decode = counted(lambda: codec.decode_picture(data, **job.decode_options))
    return {"encode": encode, "decode": decode}


def _open(job: Job) -> tuple[nic.Codec, Any]:
    """Return a codec as applications have it, and the codec of latents within; BadOption where that is none."""
    codec = nic.load(job.codec, job.weights, "cpu", job.runtime)
    target = target_of(codec.spec, job.weights, "cpu", job.runtime)
    try:
        from nic_latent.tiles.tiled import TiledCodec
    except ImportError:
        latent = False
    else:
        latent = issubclass(target, TiledCodec)
    if not latent:
        raise BadOption("it is no codec of latents, and has no stages to time")
    return codec, codec.opened(codec.weights[0])
