"""The codec "nic" of Zarr 3: chunks of pixels to .nic files."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.core.common import parse_named_configuration

from nic_zarr import tiles


@dataclass(frozen=True)
class NicArrayBytes(ArrayBytesCodec):
    """Codes a chunk of pixels as a .nic file. Lossy: what is read is near what was written, not the same.

    codec, quality, options: as of `nic_zarr.numcodec.Nic`, with the same chunks. ValueError for an array whose chunks
    it does not code, when the array is made.
    """

    is_fixed_size = False

    codec: str | None = None
    quality: float | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Any) -> "NicArrayBytes":
        """Return the codec that an array's metadata describe."""
        _, configuration = parse_named_configuration(data, "nic", require_configuration=False)
        return cls(**(configuration or {}))  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Return what an array's metadata say."""
        return {
            "name": "nic",
            "configuration": {"codec": self.codec, "quality": self.quality, "options": self.options},
        }

    def validate(self, *, shape: Any, dtype: Any, chunk_grid: Any) -> None:
        """Raise ValueError for an array whose chunks this does not code."""
        tiles.check(getattr(chunk_grid, "chunk_shape", shape), _numpys(dtype))

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        """Raise NotImplementedError: sizes vary."""
        raise NotImplementedError("the size of a .nic file is not known before")

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: Any) -> Buffer | None:
        tile = chunk_data.as_numpy_array()
        data = await asyncio.to_thread(tiles.encoded, tile, self.codec, self.quality, self.options)
        made: Buffer = chunk_spec.prototype.buffer.from_bytes(data)
        return made

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: Any) -> NDBuffer:
        tile = await asyncio.to_thread(tiles.decoded, chunk_data.to_bytes(), chunk_spec.shape)
        if tile.dtype != _numpys(chunk_spec.dtype):
            raise ValueError(f"the file holds a tile of {tile.dtype}, not of {_numpys(chunk_spec.dtype)}")
        made: NDBuffer = chunk_spec.prototype.nd_buffer.from_numpy_array(tile)
        return made


def _numpys(dtype: Any) -> np.dtype[Any]:
    """Return numpy's type for Zarr's own."""
    native: np.dtype[Any] = dtype.to_native_dtype() if hasattr(dtype, "to_native_dtype") else np.dtype(dtype)
    return native
