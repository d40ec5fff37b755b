"""Pictures in tiles, by every codec of latents: seams, regions, scales and damage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_cca.config import CcaConfig
from nic_cca.model import Cca
from nic_core.cli import run
from nic_core.errors import BadOption, DamagedFile, UnsupportedFile
from nic_core.format.container import unpack
from nic_core.format.tiling import Tiling
from nic_core.host.codec import Codec
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture, RowPicture
from nic_core.pictures.strips import Strips
from nic_core.weights import WeightsInfo
from nic_egic.config import EgicConfig
from nic_egic.model import Egic
from nic_nn.model import LatentModel
from nic_nn.weights.export import export
from nic_taco.codec import TacoCodec
from nic_taco.config import TacoConfig
from nic_taco.model import Taco
from nic_tbtc.config import TbtcConfig
from nic_tbtc.model import Tbtc
from nic_tbtc.tcm.config import TcmConfig
from nic_tbtc.tcm.model import Tcm
from skimage import data

SWINT = TbtcConfig("swint", "charm", (16, 32, 32, 64), (32, 32), (1, 1, 1, 1), (2, 1))
TCM = TcmConfig(16, 24, 16, (1, 1, 2, 2, 1, 1), (8,) * 6, 8, slices=3, attention=16, context=(20, 12))
RANDOM: dict[str, Callable[[], LatentModel]] = {
    "tbtc-conv-charm": lambda: Tbtc(TbtcConfig("conv", "charm", (32,) * 4, (32,) * 2)),
    "tbtc-swint-charm": lambda: Tbtc(SWINT),
    "tcm": lambda: Tcm(TCM),
    "cca": lambda: Cca(CcaConfig.of(width=16, depth=1)),
    "taco": lambda: Taco(TacoConfig(width=16, slices=(4, 4, 8), text_width=64, context_widths=(12, 8))),
    "egic": lambda: Egic(EgicConfig.of(width=16)),
}
PICTURE = data.coffee()[:330, :400]
BUNDLED = ("mini", "textsketch-ntc")


@pytest.fixture(scope="module", params=[*BUNDLED, *RANDOM])
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    """A codec with its own weights, or with random ones of a small model."""
    if request.param in BUNDLED:
        return nic.load(request.param, device="cpu", runtime="torch")
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    export(RANDOM[request.param]().eval(), path, WeightsInfo(request.param, "random", {}, "", ""))
    return nic.load(request.param, path, device="cpu", runtime="torch")


@pytest.fixture(autouse=True)
def captions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TacoCodec, "features", lambda self, text, clip: torch.zeros(1, 3, 64))


@pytest.fixture(scope="module")
def mini() -> Codec:
    return nic.load("mini", device="cpu", runtime="torch")


def tiled(codec: Codec, picture: Any = PICTURE, tile: int = 192) -> bytes:
    """Return a picture's file in tiles of at most so many pixels a side."""
    return codec.encode(picture, tile=tile)


def difference(a: np.ndarray, b: np.ndarray) -> int:
    """Return the largest difference of two arrays of pixels."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def test_tiles_cover_any_picture(codec: Codec) -> None:
    head = nic.inspect(tiled(codec))
    assert head.tiling == Tiling(192, 192)  # 400 in three, 330 in two
    assert codec.decode(tiled(codec)).size == (400, 330)
    opened = codec.opened(codec.weights[0])
    assert opened.tile >= 1024
    assert nic.inspect(codec.encode(PICTURE)).tiling is None


def test_seams_are_no_more_than_rounding(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    coded = tiled(codec)
    at_once = codec.decode_picture(coded).pixels  # blocks are larger than tiles
    opened = codec.opened(codec.weights[0])
    if not opened.reach.local:
        pytest.skip("what is far away matters a little to this codec")
    monkeypatch.setattr(opened, "tile", 192)
    assert difference(codec.decode_picture(coded).pixels, at_once) <= 1


@pytest.mark.parametrize("tile", [192, 2048])
def test_regions_are_parts_of_the_whole(codec: Codec, monkeypatch: pytest.MonkeyPatch, tile: int) -> None:
    monkeypatch.setattr(codec.opened(codec.weights[0]), "tile", tile)
    for coded in (tiled(codec), codec.encode(PICTURE)):
        whole = codec.decode_picture(coded).pixels
        for x, y, width, height in ((0, 0, 400, 330), (150, 170, 101, 57), (399, 329, 1, 1), (0, 200, 400, 3)):
            part = codec.decode_picture(coded, region=(x, y, width, height))
            assert difference(part.pixels, whole[y : y + height, x : x + width]) <= 1


def test_a_region_needs_the_tiles_that_it_sees(mini: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    coded = tiled(mini, np.tile(PICTURE, (2, 2, 1)), 128)
    assert nic.inspect(coded).tiling == Tiling(128, 128)  # 7 x 6
    opened, seen = mini.opened(mini.weights[0]), []
    decode = opened.decode_latents
    monkeypatch.setattr(opened, "decode_latents", lambda *given: seen.append(given[0]) or decode(*given))
    mini.decode(coded, region=(390, 390, 60, 50))
    assert len(seen) == 9
    assert set(seen) < set(unpack(coded).units)


@pytest.mark.parametrize(("scale", "by"), [(0.5, 2), ("1/4", 4), (1 / 8, 8), ("1", 1)])
def test_scales_are_means(mini: Codec, scale: float | str, by: int) -> None:
    coded = tiled(mini)
    whole, small = mini.decode_picture(coded), mini.decode_picture(coded, scale=scale)
    assert (small.height, small.width) == (-(-330 // by), -(-400 // by))
    expected = whole.pixels[: 330 // by * by, : 400 // by * by].reshape(330 // by, by, 400 // by, by, 3).mean((1, 3))
    assert np.abs(small.pixels[: 330 // by, : 400 // by] - expected).max() <= 0.5
    part = mini.decode_picture(coded, region=(16, 32, 160, 96), scale=scale)
    assert difference(part.pixels, small.pixels[32 // by : 128 // by, 16 // by : 176 // by]) <= 1


@pytest.mark.parametrize("tile", [192, 2048])
def test_a_damaged_tile_costs_that_tile(codec: Codec, monkeypatch: pytest.MonkeyPatch, tile: int) -> None:
    monkeypatch.setattr(codec.opened(codec.weights[0]), "tile", tile)
    coded = tiled(codec)
    whole, units = codec.decode_picture(coded).pixels, unpack(coded).units
    start = len(coded) - 4 - sum(map(len, units[4:]))
    for bad in (
        coded[: start + len(units[4]) // 2] + b"\x55\xaa" + coded[start + len(units[4]) // 2 + 2 :],
        coded[: start + len(units[4]) // 2],
    ):
        with pytest.raises(DamagedFile):
            codec.decode(bad)
        lost: list[tuple[int, int]] = []
        saved = codec.decode_picture(bad, on_damage=lambda area, error, lost=lost: lost.append((area.x, area.y))).pixels
        assert (192, 192) in lost
        assert set(lost) <= {(192, 192), (384, 192)}
        assert np.all(saved[192:, 192:384] == 128)
        if codec.opened(codec.weights[0]).reach.local:
            assert difference(saved[:, :1], whole[:, :1]) <= 1
            assert difference(saved[:1], whole[:1]) <= 1


def test_what_cannot_be_salvaged(mini: Codec) -> None:
    coded, plain = tiled(mini), mini.encode(PICTURE)
    with pytest.raises(DamagedFile, match="no tiles of which any could be salvaged"):
        mini.decode(plain[:-9] + plain[-8:], on_damage=lambda area, error: None)
    with pytest.raises(DamagedFile, match="damaged before its tiles"):
        mini.decode(coded[:30] + bytes([coded[30] ^ 1]) + coded[31:], on_damage=lambda area, error: None)
    with pytest.raises(DamagedFile):
        mini.decode(coded[:40], on_damage=lambda area, error: None)


def test_bad_regions_scales_and_tiles(mini: Codec) -> None:
    coded = tiled(mini)
    for how, says in (
        ({"region": (300, 300, 101, 10)}, "the region 101 x 10 pixels at 300, 300 lies outside"),
        ({"region": (-1, 0, 5, 5)}, "lies outside the picture, which has 400 x 330"),
        ({"region": (0, 0, 0, 5)}, "at least one pixel, not 0 x 5"),
        ({"region": (0, 0, 5)}, "four whole numbers"),
        ({"region": (0, 0, 5.0, 5)}, "four whole numbers"),
        ({"scale": 0.3}, "one of 1, 1/2, 1/4, 1/8, not 0.3"),
        ({"scale": "half"}, "not half"),
        ({"scale": "1/0"}, "not 1/0"),
    ):
        with pytest.raises(BadOption, match=says):
            mini.decode(coded, **how)
    with pytest.raises(BadOption, match="at least 64 pixels, not 63"):
        mini.encode(PICTURE, tile=63)


@pytest.mark.parametrize("region", [None, (0, 0, 10, 10)])
def test_limits_hold_for_the_whole_picture(mini: Codec, region: tuple[int, int, int, int] | None) -> None:
    for coded in (tiled(mini), mini.encode(PICTURE)):
        with pytest.raises(UnsupportedFile, match="more than the limit of 131999"):
            mini.decode(coded, region=region, max_pixels=400 * 330 - 1)
        assert mini.decode(coded, region=region, max_pixels=400 * 330)


def test_the_command_line_knows_tiles(mini: Codec, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    photo, coded, bad = (tmp_path / name for name in ("photo.png", "photo.nic", "bad.nic"))
    image_files.write(Picture(PICTURE), photo)
    assert run(["encode", str(photo), "--tile", "192"]) == 0
    assert run(["info", str(coded)]) == 0
    assert "3 x 2 of 192 x 192" in capsys.readouterr().out
    data = coded.read_bytes()
    whole, out = mini.decode_picture(data).pixels, tmp_path / "out.png"
    assert run(["decode", str(coded), "--region", "150,170,101,57", "-o", str(out)]) == 0
    assert difference(image_files.read(out).pixels, whole[170:227, 150:251]) <= 1
    assert run(["decode", str(coded), "--scale", "1/4", "-o", str(out), "--overwrite"]) == 0
    assert image_files.read(out).pixels.shape == (83, 100, 3)
    bad.write_bytes(data[:-40])
    out.unlink()
    assert run(["decode", str(bad), "-o", str(out)]) == 1
    assert not out.exists()
    assert run(["decode", str(bad), "--salvage", "-o", str(out)]) == 1
    assert "pixels at 384, 192 is gray: its bytes are damaged or missing" in capsys.readouterr().err
    assert difference(image_files.read(out).pixels[:150, :150], whole[:150, :150]) <= 1
    for arguments, says, code in (
        (["decode", str(coded), "--region", "300,300,101,10"], "lies outside the picture", 1),
        (["decode", str(coded), "--region", "1,2,3"], "four whole numbers of pixels", 2),
        (["decode", str(coded), "--scale", "1/3"], "is not one of", 2),
        (["encode", str(photo), "--tile", "10"], "at least 64 pixels, not 10", 1),
        (["encode", str(photo), "--max-pixels", "10"], "too large", 1),
    ):
        assert run([*arguments, "-o", str(tmp_path / f"new.{'nic' if arguments[0] == 'encode' else 'png'}")]) == code
        assert says in capsys.readouterr().err


def test_both_runtimes_make_the_same_of_tiles(mini: Codec) -> None:
    graphs = nic.load("mini", runtime="onnx")
    coded = tiled(mini)
    assert difference(graphs.decode_picture(coded).pixels, mini.decode_picture(coded).pixels) <= 1
    assert difference(mini.decode_picture(tiled(graphs)).pixels, mini.decode_picture(coded).pixels) <= 8
    assert abs(len(tiled(graphs)) - len(coded)) <= 4


def test_pictures_of_all_kinds_in_strips(mini: Codec) -> None:
    alpha = PICTURE[..., 0]
    for whole in (
        Picture(PICTURE, alpha),
        Picture(PICTURE[..., :1].astype(np.uint16) * 257, icc=b"profile"),
        Picture(PICTURE.astype(np.uint16) * 257, alpha.astype(np.uint16)),
    ):

        def strips(values: np.ndarray) -> Strips:
            return Strips(values.shape, values.dtype, lambda: iter(np.split(values, range(50, 330, 50))))

        rows = RowPicture(strips(whole.pixels), None if whole.alpha is None else strips(whole.alpha), whole.icc)
        coded = tiled(mini, rows)
        assert coded == tiled(mini, whole)
        back, streamed = mini.decode_picture(coded), mini.decode_rows(coded)
        assert difference(np.concatenate(list(streamed.pixels)), back.pixels) == 0
        assert back.icc == whole.icc
        if whole.alpha is not None:
            assert difference(back.alpha, whole.alpha) == 0
            part = mini.decode_picture(coded, region=(7, 9, 40, 30))
            assert difference(part.alpha, whole.alpha[9:39, 7:47]) == 0


def test_large_pictures_are_tiled_by_themselves(mini: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mini.opened(mini.weights[0]), "tile", 256)
    assert nic.inspect(mini.encode(PICTURE[:256, :256])).tiling is None
    assert nic.inspect(mini.encode(PICTURE[:256, :257])).tiling == Tiling(192, 256)
    assert nic.inspect(mini.encode(PICTURE)).tiling == Tiling(256, 192)
