"""Pyramids of tiles by Zarr 3 and by numcodecs, and what neither takes."""

import json
import pickle
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
from nic_core.errors import BadOption, DamagedFile
from nic_zarr.numcodec import Nic
from skimage import data
from skimage.transform import rescale

zarr = pytest.importorskip("zarr", "3")
from nic_zarr.array_bytes import NicArrayBytes  # noqa: E402

CHUNK = 256


def levels() -> list[np.ndarray]:
    """Return a photograph of Kodak's size and two smaller ones, (H, W, 3) uint8."""
    whole = np.asarray(data.coffee()[:400, :600])
    whole = rescale(whole, 1.28, channel_axis=2)
    found = [whole, rescale(whole, 0.5, channel_axis=2), rescale(whole, 0.25, channel_axis=2)]
    return [np.round(255 * np.clip(level, 0, 1)).astype(np.uint8) for level in found]


def psnr(a: np.ndarray, b: np.ndarray, peak: int = 255) -> float:
    """Return dB."""
    return float(10 * np.log10(peak**2 / np.mean((a.astype(float) - b.astype(float)) ** 2)))


def test_a_pyramid_by_zarr_3(tmp_path: Path) -> None:
    pyramid = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    for number, level in enumerate(levels()):
        made = pyramid.create_array(
            str(number),
            shape=level.shape,
            chunks=(CHUNK, CHUNK, 3),
            dtype=level.dtype,
            serializer=NicArrayBytes("mini", 70),
            compressors=None,
        )
        made[:] = level
    again = zarr.open_group(tmp_path / "a.zarr", mode="r")  # finds the codec by its entry point
    for number, level in enumerate(levels()):
        read = again[str(number)]
        assert read[:].shape == level.shape
        assert 28 < psnr(read[:], level) < 60  # lossy, but near
        assert np.array_equal(read[100:120, 90:110], read[:][100:120, 90:110])
    config = json.loads((tmp_path / "a.zarr/0/zarr.json").read_text())["codecs"]
    assert config == [{"name": "nic", "configuration": {"codec": "mini", "quality": 70, "options": {}}}]
    files = [path for path in (tmp_path / "a.zarr").rglob("*") if path.is_file() and path.name != "zarr.json"]
    assert len(files) == 2 * 3 + 1 * 2 + 1
    assert sum(path.stat().st_size for path in files) < sum(level.nbytes for level in levels()) / 8
    assert files[0].read_bytes().startswith(b"\x89NIC")


def test_shards_and_gray_in_16_bits(tmp_path: Path) -> None:
    level = levels()[1][..., 0].astype(np.uint16) * 257
    made = zarr.create_array(
        tmp_path / "a.zarr",
        shape=level.shape,
        chunks=(64, 64),
        shards=(256, 256),
        dtype=level.dtype,
        serializer=NicArrayBytes(quality=80),
        compressors=None,
    )
    made[:] = level
    read = zarr.open_array(tmp_path / "a.zarr", mode="r")[:]
    assert read.dtype == np.uint16
    assert psnr(read, level, 65535) > 28


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_a_pyramid_by_numcodecs(channels: int | None) -> None:
    codec = numcodecs.get_codec({"id": "nic", "codec": "mini", "quality": 70})
    assert isinstance(codec, Nic)
    assert codec.get_config() == {"id": "nic", "codec": "mini", "quality": 70, "options": {}}
    assert pickle.loads(pickle.dumps(codec)) == codec
    for level in levels()[1:]:
        tile = level[:CHUNK, :CHUNK, 0] if channels is None else level[:CHUNK, :CHUNK, [0, 1, 2, 0][:channels]]
        coded = codec.encode(tile)
        out = np.empty_like(tile)
        assert codec.decode(coded, out) is out
        assert np.array_equal(codec.decode(coded).reshape(tile.shape), out)
        assert 28 < psnr(out, tile) < 60
        if channels == 4:
            assert np.array_equal(out[..., 3], tile[..., 3])


def test_a_zarr_2_array_by_numcodecs(tmp_path: Path) -> None:
    level = levels()[0]
    made = zarr.create_array(
        tmp_path / "a.zarr",
        shape=level.shape,
        chunks=(CHUNK, CHUNK, 3),
        dtype=level.dtype,
        zarr_format=2,
        compressors=Nic("mini", 70),
    )
    made[:] = level
    assert 28 < psnr(zarr.open_array(tmp_path / "a.zarr", mode="r")[:], level) < 60


@pytest.mark.parametrize(
    ("tile", "says"),
    [
        (np.zeros((4, 4), np.float32), "nic codes tiles of uint8 or uint16, not float32"),
        (np.zeros((4, 4), np.int16), "nic codes tiles of uint8 or uint16, not int16"),
        (np.zeros((3, 4, 5), np.uint8), "height x width x 1 to 4 channels, not 3 x 4 x 5"),
        (np.zeros((1, 3, 4, 4), np.uint8), "height x width x 1 to 4 channels, not 1 x 3 x 4 x 4"),
        (np.zeros(9, np.uint8), "height x width x 1 to 4 channels, not 9"),
    ],
)
def test_tiles_that_are_none(tile: np.ndarray, says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        Nic().encode(tile)
    with pytest.raises(ValueError, match=says):
        zarr.create_array(
            tmp_path,
            shape=tile.shape,
            chunks=tile.shape,
            dtype=tile.dtype,
            serializer=NicArrayBytes(),
            compressors=None,
        )


def test_what_does_not_fit() -> None:
    tile = levels()[2][:64, :64]
    coded = Nic().encode(tile)
    with pytest.raises(ValueError, match="the tile has 12288 bytes, the array for it 100"):
        Nic().decode(coded, np.empty(100, np.uint8))
    with pytest.raises(DamagedFile):
        Nic().decode(coded[:-1])
    with pytest.raises(BadOption):
        Nic(options={"nothing": 1}).encode(tile)
    with pytest.raises(BadOption):
        Nic(quality=1000).encode(tile)


def test_a_chunk_of_another_array(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"serializer": NicArrayBytes(), "compressors": None, "dtype": np.uint8}
    made = zarr.create_array(tmp_path / "a", shape=(64, 64, 3), chunks=(64, 64, 3), **settings)
    chunk = tmp_path / "a/c/0/0/0"
    made[:] = 7
    for tile, says in (
        (np.zeros((32, 64, 3), np.uint8), "a tile of 32 x 64, not of 64 x 64"),
        (np.zeros((64, 64), np.uint8), "a tile of 64 x 64, not of 64 x 64 x 3"),
        (np.zeros((64, 64, 3), np.uint16), "a tile of uint16, not of uint8"),
    ):
        chunk.write_bytes(Nic().encode(tile))
        with pytest.raises(ValueError, match=says):
            made[:]
