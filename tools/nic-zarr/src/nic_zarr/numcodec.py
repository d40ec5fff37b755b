"""The codec "nic" of numcodecs: for Zarr 2, and whatever else takes codecs of numcodecs."""

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray_like, ndarray_copy

from nic_zarr import tiles


class Nic(Codec):  # type: ignore[misc]
    """Codes a tile of pixels as a .nic file. Lossy: what is read is near what was written, not the same.

    codec: an id of nic's, None for the default one. quality: 1 to 100, higher is better and larger; None for 50, or the
    weights' own. options: the codec's encode options. Files say themselves how they are decoded.

    ValueError for tiles other than (H, W) or (H, W, 1 to 4) of uint8 or uint16; a fourth channel, or the second of two,
    is taken for alpha, which is kept losslessly.
    """

    codec_id = "nic"

    def __init__(
        self, codec: str | None = None, quality: float | None = None, options: dict[str, Any] | None = None
    ) -> None:
        self.codec, self.quality, self.options = codec, quality, options or {}

    def encode(self, buf: Any) -> bytes:
        """Return the .nic file of a tile."""
        return tiles.encoded(np.asarray(buf), self.codec, self.quality, self.options)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return the tile in a .nic file, or `out` with it; ValueError where it does not fit there."""
        tile = tiles.decoded(ensure_contiguous_ndarray_like(buf))
        if out is not None and out.nbytes != tile.nbytes:
            raise ValueError(f"the tile has {tile.nbytes} bytes, the array for it {out.nbytes}")
        return ndarray_copy(tile, out)
