"""Opens a codec: its class imported, its weights looked through, itself made once for all who ask for the same."""

import logging
import os
from collections.abc import Hashable
from pathlib import Path

from nic_core import progress, weights
from nic_core.codec import PixelCodec
from nic_core.host.boundary import made, place_of
from nic_core.host.cache import Cache
from nic_core.host.runtimes import Runtime, target_of
from nic_core.spec import CodecSpec, WeightsSpec
from nic_core.weights import WeightsInfo

logger = logging.getLogger("nic")


def opened(
    spec: CodecSpec, chosen: WeightsSpec, device: str, runtime: Runtime, cache: Cache
) -> tuple[Hashable, PixelCodec]:
    """Return a plugin's codec with weights in place, and the key by which the cache has it.

    Raises what `nic_core.load` does for weights and runtimes, and PluginFault.
    """
    with progress.opening():
        path = Path(weights.local(chosen).location) if chosen.location else None
        info = _without(chosen) if path is None else weights.verified(path)
        target = target_of(spec, path, device, runtime)
        found = path.stat() if path else None
        file = (os.path.realpath(path), found.st_size, found.st_mtime_ns) if path and found else None
        lower = runtime == "torch-bf16"
        key = target, file, info.codec, info.entropy_id, info.synthesis_id, place_of(spec, target, device), lower

        def make() -> PixelCodec:
            codec = made(spec, target, path, info, device)
            if lower:
                codec.compute_in_bfloat16()
            if codec.runtime:
                logger.info("%s runs by %s", info.name, codec.runtime)
            return codec

        return key, cache.get(key, found.st_size if found else 0, make)


def _without(chosen: WeightsSpec) -> WeightsInfo:
    """Return the record that a codec without weights is opened with."""
    return WeightsInfo(chosen.codec, chosen.name, {}, chosen.entropy_id, chosen.synthesis_id, chosen.quality)
