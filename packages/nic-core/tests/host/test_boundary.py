"""What codecs by strangers give and raise: every fault is an error that names the plugin, never a wrong picture."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import nic_core as nic
import numpy as np
import pytest
from nic_core import progress
from nic_core.cli import run
from nic_core.codec import Coded, Decoded, PixelCodec
from nic_core.errors import DamagedFile, OutOfMemory, PluginFault
from nic_core.format.sums import combined
from nic_core.format.tiling import Tiling
from nic_core.host.cache import cache
from nic_core.pictures.picture import Picture, RowPicture
from nic_core.pictures.strips import Strips

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
GOOD = Coded((b"abc",), 1, "zlib")
WHOSE = r" \(a fault of the plugin nic-fake 1\.2; --debug shows where\)$"


class Odd:
    """What cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("coded", "says"),
    [
        (None, "returns nothing from encoding, not Coded"),
        (b"abc", "returns a bytes from encoding, not Coded"),
        (replace(GOOD, units=b"abc"), "returns a bytes as units, not a tuple of bytes"),
        (replace(GOOD, units=("abc",)), "returns a tuple as units, not a tuple of bytes"),
        (replace(GOOD, units=None), "returns nothing as units, not a tuple of bytes"),
        (replace(GOOD, units=()), "returns 0 units, where the picture has 1"),
        (replace(GOOD, units=(b"a", b"b")), "returns 2 units, where the picture has 1"),
        (replace(GOOD, checksum=-1), "returns -1 as a checksum, which is from 0 to 4294967295"),
        (replace(GOOD, checksum=1 << 32), "returns 4294967296 as a checksum"),
        (replace(GOOD, checksum=None), "returns None as a checksum"),
        (replace(GOOD, checksum=1.0), "returns 1.0 as a checksum"),
        (replace(GOOD, checksum=True), "returns True as a checksum"),
        (replace(GOOD, checksum=Odd()), "returns a Odd as a checksum"),
        (replace(GOOD, coder="ü"), "names its coder 'ü'; names are 1 to 255 ASCII characters"),
        (replace(GOOD, coder=""), "names its coder ''"),
        (replace(GOOD, coder="a\nb"), r"names its coder 'a\\nb'"),
        (replace(GOOD, coder="a" * 256), "names its coder 'aaaa"),
        (replace(GOOD, coder=None), "names its coder None"),
        (replace(GOOD, params="abc"), "returns a str as params, not bytes"),
        (replace(GOOD, tiling=(64, 64)), r"codes with the tiling \(64, 64\), which is none"),
        (replace(GOOD, tiling=Tiling(0, 64)), r"codes with the tiling Tiling\(width=0.*, which is none"),
        (replace(GOOD, tiling=Tiling(4, 6)), "returns 1 units, where the picture has 3"),
        (replace(GOOD, symbols=None), "returns nothing as symbols, not a tuple of checksums"),
        (replace(GOOD, symbols=(1,)), "returns checksums of 1 units, where the picture has 1 in tiles"),
        (
            replace(GOOD, tiling=Tiling(16, 16), symbols=(7,)),
            f"returns the checksum 1, where those of its units give {combined([7])}",
        ),
    ],
)
def test_what_is_coded_is_checked(fake: ModuleType, monkeypatch: pytest.MonkeyPatch, coded: Any, says: str) -> None:
    monkeypatch.setattr(fake.ZipCodec, "compress", lambda *given: coded)
    with pytest.raises(PluginFault, match=f"^the codec zip {says}.*{WHOSE}"):
        nic.encode(PIXELS)


@pytest.mark.parametrize(
    "coded",
    [
        replace(GOOD, units=[b"abc"], checksum=np.uint32((1 << 32) - 1)),
        replace(GOOD, tiling=Tiling(16, 16), symbols=(7,), checksum=combined([7])),
        replace(GOOD, tiling=Tiling(16, 16, 2), units=(b"a", b"")),
    ],
)
def test_what_a_file_can_hold_is_taken(fake: ModuleType, monkeypatch: pytest.MonkeyPatch, coded: Coded) -> None:
    monkeypatch.setattr(fake.ZipCodec, "compress", lambda *given: coded)
    assert nic.inspect(nic.encode(PIXELS)).checksum == int(coded.checksum) & 0xFFFF


@pytest.mark.parametrize(
    ("decoded", "says"),
    [
        (None, "decodes to nothing, not to an array"),
        (PIXELS.tolist(), "decodes to a list, not to an array"),
        (PIXELS[None], r"decodes to uint8 \(1, 6, 9, 3\) instead of uint8 \(6, 9, 3\)"),
        (PIXELS[..., 0], r"decodes to uint8 \(6, 9\) instead of uint8 \(6, 9, 3\)"),
        (PIXELS[..., :1], r"decodes to uint8 \(6, 9, 1\) instead of"),
        (PIXELS.transpose(1, 0, 2), r"decodes to uint8 \(9, 6, 3\) instead of uint8 \(6, 9, 3\)"),
        (np.pad(PIXELS, ((0, 2), (0, 7), (0, 0))), r"decodes to uint8 \(8, 16, 3\) instead of"),
        (PIXELS.astype(np.int32), r"decodes to int32 \(6, 9, 3\) instead of uint8"),
        (PIXELS / 255, r"decodes to float64 \(6, 9, 3\) instead of uint8"),
        (PIXELS.astype(np.uint16), r"decodes to uint16 \(6, 9, 3\) instead of uint8"),
        (Decoded(PIXELS[:5], zlib.crc32(PIXELS.tobytes())), r"decodes to uint8 \(5, 9, 3\)"),
        (Decoded(PIXELS, -5), "returns -5 as a checksum"),
    ],
)
def test_what_is_decoded_is_checked(fake: ModuleType, monkeypatch: pytest.MonkeyPatch, decoded: Any, says: str) -> None:
    data = nic.encode(PIXELS)
    monkeypatch.setattr(fake.ZipCodec, "decompress", lambda *given: decoded)
    for how in ({}, {"region": (1, 1, 2, 2)}, {"scale": 0.5}):
        with pytest.raises(PluginFault, match=f"^the codec zip {says}.*{WHOSE}"):
            nic.decode(data, **how)


def test_core_compares_the_checksum_that_a_codec_tells(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    data = nic.encode(PIXELS)
    told = zlib.crc32(PIXELS.tobytes())
    monkeypatch.setattr(fake.ZipCodec, "decompress", lambda *given: Decoded(PIXELS, told))
    np.testing.assert_array_equal(nic.decode_picture(data).pixels, PIXELS)
    np.testing.assert_array_equal(nic.decode_picture(data, region=(1, 2, 3, 4)).pixels, PIXELS[2:6, 1:4])
    told ^= 1
    with pytest.raises(DamagedFile, match="the decoded symbols are not those that were coded"):
        nic.decode(data)


@pytest.mark.parametrize(
    ("strips", "says"),
    [
        ([PIXELS], ""),
        ([PIXELS[:2], PIXELS[2:]], ""),
        (None, "failed in decoding: TypeError"),
        ([], "decodes 0 of 6 rows"),
        ([PIXELS[:4]], "decodes 4 of 6 rows"),
        ([PIXELS[:4], PIXELS[:4]], "decodes 8 rows where 6 are asked for"),
        ([PIXELS, PIXELS[:1]], "decodes more rows than the 6 that are asked for"),
        ([PIXELS[:4], PIXELS[:0], PIXELS[4:]], "decodes to no rows"),
        ([PIXELS[:4], None], "decodes to nothing, not to an array"),
        ([PIXELS[:, :5]], r"decodes to uint8 \(6, 5, 3\) instead of uint8 \(h, 9, 3\)"),
        ([np.zeros((6, 9, 3), ">u2")], r"decodes to >u2 \(6, 9, 3\) instead of uint8"),
    ],
)
def test_rows_are_checked(fake: ModuleType, monkeypatch: pytest.MonkeyPatch, strips: Any, says: str) -> None:
    data = nic.encode(PIXELS)
    monkeypatch.setattr(fake.ZipCodec, "rows", lambda *given: strips)
    if not says:
        np.testing.assert_array_equal(nic.decode_picture(data).pixels, PIXELS)
        return
    with pytest.raises(PluginFault, match=f"^the codec zip {says}.*{WHOSE}"):
        nic.decode(data)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (None, "returns nothing from parts"),
        ({"txt": b""}, "has a part with the suffix 'txt'"),
        ({"./../../evil": b""}, "has a part with the suffix './../../evil'"),
        ({5: b""}, "has a part with the suffix 5"),
        ({".txt": "text"}, "returns a str as the part .txt, not bytes"),
    ],
)
def test_parts_are_checked(fake: ModuleType, monkeypatch: pytest.MonkeyPatch, parts: Any, says: str) -> None:
    data = nic.encode(PIXELS)
    monkeypatch.setattr(fake.ZipCodec, "parts", lambda *given: parts)
    with pytest.raises(PluginFault, match=f"^the codec zip {says}.*{WHOSE}"):
        nic.load("zip").parts(data)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"runtime": None}, "has a runtime of None, which is no text"),
        ({"tile": "64"}, "has a tile of '64', where a number of pixels from 0 on belongs"),
        ({"tile": -1}, "has a tile of -1"),
        ({"tile_step": 0}, "has a tile_step of 0, where a number of pixels from 1 on belongs"),
        ({"tile": 64}, "has a tile, but does not say by compress_tiles how one is coded"),
        ({"__init__": lambda self, *given: None}, "has no info and device: its __init__ must call that of PixelCodec"),
        ({"place": classmethod(lambda cls, device: None)}, "says that a device is None, which is no text"),
        ({"place": classmethod(lambda cls, device: 1 / 0)}, "failed in choosing a device: ZeroDivisionError"),
        ({"__init__": lambda self: None}, "failed in opening its weights: TypeError"),
        ({"__init__": lambda self, *given: exit(3)}, "failed in opening its weights: SystemExit: 3"),
    ],
)
def test_what_is_opened_is_checked(
    fake: ModuleType, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], says: str
) -> None:
    for name, value in change.items():
        monkeypatch.setattr(fake.ZipCodec, name, value)
    with pytest.raises(PluginFault, match=f"^the codec zip {says}.*{WHOSE}"):
        nic.encode(PIXELS)
    assert len(cache) == 0


def test_targets_that_are_none(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Half(PixelCodec):
        def compress(self, *given: Any) -> Coded:
            return GOOD

    for target, says in (
        (None, "points to what is no subclass of nic_core.codec.PixelCodec"),
        (len, "points to what is no subclass"),
        (dict, "points to what is no subclass"),
        (Half, "failed in opening its weights: TypeError: Can't instantiate abstract class Half"),
    ):
        monkeypatch.setattr(fake, "ZipCodec", target)
        with pytest.raises(PluginFault, match=f"^the codec zip {says}.*{WHOSE}"):
            nic.encode(PIXELS)
    monkeypatch.delattr(fake, "ZipCodec")
    with pytest.raises(PluginFault, match=f"^the codec zip failed in its import: AttributeError.*{WHOSE}") as caught:
        nic.encode(PIXELS)
    assert isinstance(caught.value.__cause__, AttributeError)


@pytest.mark.parametrize("error", [ValueError("two\nlines"), StopIteration(), KeyError("x"), SystemExit(0)])
@pytest.mark.parametrize("call", ["compress", "decompress", "parts"])
def test_whatever_a_codec_raises_names_it(
    fake: ModuleType, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    codec, data = nic.load("zip"), nic.encode(PIXELS)
    use, doing = {
        "compress": (lambda: codec.encode(PIXELS), "encoding"),
        "decompress": (lambda: codec.decode(data), "decoding"),
        "parts": (lambda: codec.parts(data), "decoding"),
    }[call]

    def fail(*given: Any) -> None:
        raise error

    monkeypatch.setattr(fake.ZipCodec, call, fail)
    with pytest.raises(PluginFault, match=f"^the codec zip failed in {doing}: {type(error).__name__}.*{WHOSE}") as told:
        use()
    assert told.value.__cause__ is error
    assert "\n" not in str(told.value)


def test_a_model_that_cannot_be_had(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake.ZipCodec, "model", property(lambda self: 1 / 0))
    with pytest.raises(PluginFault, match=r"^the codec zip failed in giving its model: ZeroDivisionError"):
        _ = nic.load("zip").model


def test_too_little_memory_is_nobodys_fault(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake.ZipCodec, "compress", lambda *given: np.zeros(1 << 55, np.uint8))
    with pytest.raises(OutOfMemory, match="the codec zip needs more memory for encoding than there is"):
        nic.encode(PIXELS)


class Cancelled(Exception):
    """Of an application."""


@pytest.mark.parametrize("by", [Cancelled, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("event", ["check", "step", "note"])
def test_what_a_listener_raises_passes_through(fake: ModuleType, by: type[BaseException], event: str) -> None:
    raised = by("now")

    def end(*given: Any) -> None:
        raise raised

    kinds: dict[str, Callable[..., None]] = {"step": lambda *given: None, "note": lambda fact: None, event: end}
    with progress.listening(progress.Listener(**kinds)), pytest.raises(by) as caught:
        nic.encode(PIXELS, text="a barn")
    assert caught.value is raised


def test_cancelling_passes_through_a_codec_that_wraps_what_it_catches(
    fake: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compress(self: Any, *given: Any) -> Coded:
        try:
            progress.check()
        except Exception as error:
            raise RuntimeError("the inference failed") from error
        raise ValueError("its own")

    def end() -> None:
        raise Cancelled

    monkeypatch.setattr(fake.ZipCodec, "compress", compress)
    listener = progress.Listener(lambda *step: None, lambda fact: None, check=end)
    with progress.listening(listener), pytest.raises(Cancelled) as caught:
        nic.encode(PIXELS)
    try:
        raise caught.value
    except Cancelled:  # what was cancelled before does not excuse what fails later
        with pytest.raises(PluginFault, match="ValueError: its own"):
            nic.encode(PIXELS)


def test_who_gives_the_pixels_is_blamed_for_what_fails_there(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows() -> Iterator[np.ndarray]:
        yield PIXELS[:2]
        raise Cancelled("the camera is gone")

    def compress_tiles(self: Any, pixels: Any, tiling: Tiling, *given: Any) -> Coded:
        return Coded(tuple(pixels[y : y + 2].tobytes() for y in range(0, 6, 2)), 0, tiling=tiling)

    monkeypatch.setattr(fake.ZipCodec, "compress_tiles", compress_tiles)
    monkeypatch.setattr(fake.ZipCodec, "tile_step", 2)
    monkeypatch.setattr(fake.ZipCodec, "tile", 2)
    picture = RowPicture(Strips((6, 9, 3), np.uint8, rows))
    with pytest.raises(Cancelled, match="the camera is gone"):
        nic.encode(picture)
    with pytest.raises(PluginFault, match=r"returns 3 units, where the picture has 15"):
        nic.encode(Picture(PIXELS))


def test_the_traceback_is_shown_where_it_is_wanted(
    fake: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "a.nic").write_bytes(nic.encode(PIXELS))
    monkeypatch.setattr(fake.ZipCodec, "decompress", lambda *given: {}["absent"])
    assert run(["decode", str(tmp_path / "a.nic")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["decode", str(tmp_path / "a.nic"), "--debug"]) == 1
    err = capsys.readouterr().err
    assert "KeyError: 'absent'" in err and "direct cause" in err and "test_boundary.py" in err
    assert list(tmp_path.glob("*.png")) == []
