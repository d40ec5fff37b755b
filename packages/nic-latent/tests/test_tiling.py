"""Parts of tiling by themselves: mirrored edges, pieces of latents, and where blocks and tiles lie."""

import numpy as np
import pytest
from nic_core.errors import DamagedFile
from nic_core.format.container import Header
from nic_core.format.tiling import Area, Tiling
from nic_latent.integers.edges import MARGIN, NO_EDGES, Edges
from nic_latent.integers.fixed import Fixed
from nic_latent.tiles.geometry import Geometry, Reach
from nic_latent.tiles.mosaic import Mosaic


def head(width: int, height: int, tiling: Tiling | None = None) -> Header:
    return Header(width, height, 3, 8, "x", "interleaved", "0" * 8, "0" * 8, None, 0, b"", tiling)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (8, 8), (9, 30)])
@pytest.mark.parametrize("edges", [NO_EDGES, Edges(top=True, right=True), Edges(True, True, True, True)])
def test_edges_mirror_as_numpy_does(size: tuple[int, int], edges: Edges) -> None:
    values = np.random.default_rng(0).integers(-9, 9, (1, *size, 2)).astype(np.int32)
    extended = edges.extended(Fixed(values, 3))
    sides = ((edges.top, edges.bottom), (edges.left, edges.right))
    margins = [(MARGIN * first, MARGIN * last) for first, last in sides]
    np.testing.assert_array_equal(extended.values, np.pad(values, ((0, 0), *margins, (0, 0)), "reflect"))
    assert extended.grid == 3
    np.testing.assert_array_equal(edges.cut(extended, 1).values, values)
    doubled = Fixed(extended.values.repeat(2, 1).repeat(2, 2), 3)
    np.testing.assert_array_equal(edges.cut(doubled, 2).values, values.repeat(2, 1).repeat(2, 2))


def test_edges_are_where_other_tiles_are() -> None:
    picture = Area(0, 0, 256, 192)
    assert not Edges.of(picture, picture)
    assert Edges.of(Area(0, 64, 128, 128), picture) == Edges(top=True, right=True)
    assert Edges.of(Area(64, 64, 64, 64), picture) == Edges(True, True, True, True)


def test_a_mosaic_gives_what_was_put() -> None:
    whole = np.random.default_rng(1).normal(size=(1, 8, 12, 3)).astype(np.float32)
    mosaic = Mosaic(16)
    for tile in Tiling(64, 64).areas(192, 128):
        mosaic.put(tile, whole[:, tile.y // 16 : tile.bottom // 16, tile.x // 16 : tile.right // 16])
    np.testing.assert_array_equal(mosaic.block(Area(0, 0, 192, 128)), whole)
    np.testing.assert_array_equal(mosaic.block(Area(48, 32, 64, 80)), whole[:, 2:7, 3:7])
    mosaic.forget_above(80)
    np.testing.assert_array_equal(mosaic.block(Area(16, 80, 176, 48)), whole[:, 5:, 1:])


def test_a_mosaic_continues_what_is_there() -> None:
    mosaic = Mosaic(16)
    values = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    mosaic.put(Area(64, 64, 64, 64), values)
    block = mosaic.block(Area(0, 32, 192, 128))
    np.testing.assert_array_equal(block[0, 2:6, 4:8, 0], values[0, ..., 0])
    np.testing.assert_array_equal(block[0, :3, 5, 0], values[0, 0, 1, 0])
    np.testing.assert_array_equal(block[0, 5:, 8:, 0], 15)


def test_blocks_hold_whole_tiles() -> None:
    geometry = Geometry.of(head(1000, 500, Tiling(128, 192)), 512, 64, Reach(128))
    assert geometry.padded == Area(0, 0, 1024, 512)
    assert geometry.blocks[0] == Area(0, 0, 512, 384)
    assert geometry.blocks[-1] == Area(512, 384, 488, 116)
    assert geometry.tiles[-1] == Area(896, 384, 128, 128)
    assert geometry.seen(geometry.blocks[0]) == Area(0, 0, 640, 512)
    assert geometry.target(geometry.blocks[0], Area(100, 100, 50, 50)) == geometry.blocks[0]
    local = Geometry.of(head(1000, 500), 512, 64, Reach(64, local=True))
    assert local.tiles == (Area(0, 0, 1024, 512),)
    assert local.blocks == (Area(0, 0, 512, 500), Area(512, 0, 488, 500))
    part = local.target(local.blocks[0], Area(100, 100, 50, 50))
    assert (part, local.seen(part)) == (Area(100, 100, 50, 50), Area(0, 0, 256, 256))
    assert Geometry.of(head(1000, 500), 512, 64, Reach(64)).blocks == (Area(0, 0, 1000, 500),)


@pytest.mark.parametrize("tiling", [Tiling(100, 128), Tiling(128, 32), Tiling(64, 64, 2)])
def test_tiles_that_no_latent_has(tiling: Tiling) -> None:
    with pytest.raises(DamagedFile, match="multiples of 64"):
        Geometry.of(head(1000, 500, tiling), 2048, 64, Reach(128))
