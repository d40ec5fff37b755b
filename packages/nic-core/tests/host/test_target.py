"""Encoding to a rate or a fidelity: the search alone, then with codecs, then from the command line."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import nic_core as nic
import numpy as np
import pytest
from nic_core.errors import BadOption, TargetUnreachable, WeightsNotFound
from nic_core.host.target import MOST_TRIALS, Target, Trial, psnr, search
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_core.spec import CodecSpec, Option

Make = Callable[..., Path]
Install = Callable[..., Path]

HUNDREDTHS = [hundredths / 100 for hundredths in range(100, 10001)]


def encoder(curve: Callable[[float], float]) -> tuple[Callable[[float], Trial], list[float]]:
    """Return an attempt that reaches what a curve says of a quality, and the list of the qualities asked for."""
    asked: list[float] = []

    def attempt(quality: float) -> Trial:
        asked.append(quality)
        return Trial(quality, b"", curve(quality))

    return attempt, asked


def smooth(quality: float) -> float:
    """Bytes that grow with quality as those of a learned codec do, ever steeper."""
    return math.floor(6000 * math.exp(quality / 55 + (quality / 100) ** 4))


def noisy(quality: float) -> float:
    """The same, up to 1 % off: neighbours are often in the wrong order."""
    return math.floor(smooth(quality) * (1 + 0.01 * math.sin(1e4 * quality)))


def stepped(quality: float) -> float:
    """Bytes with plateaus and a cliff."""
    return 1000 + 10 * math.floor(quality / 7) + 50_000 * (quality > 93)


@pytest.mark.parametrize("curve", [smooth, noisy, stepped])
@pytest.mark.parametrize(
    "ladder", [HUNDREDTHS, range(1, 96), [1.0, 2.5, 30.0, 31.0, 99.0]], ids=["fine", "whole", "few"]
)
def test_a_rate_is_never_exceeded(curve: Callable[[float], float], ladder: list[float]) -> None:
    least, most = curve(ladder[0]), curve(ladder[-1])
    for wanted in np.random.default_rng(3).uniform(least, 1.1 * most, 200):
        attempt, asked = encoder(curve)
        found = search(attempt, ladder, Target("size", wanted))
        assert found.reached == curve(found.quality) <= wanted
        assert len(asked) == len(set(asked)) <= MOST_TRIALS
        assert set(asked) <= set(ladder)
        assert found.quality == max(quality for quality in asked if curve(quality) <= wanted)


@pytest.mark.parametrize("ladder", [range(1, 96), [1.0, 2.5, 30.0, 31.0, 99.0], [20.0, 80.0], [7.0]])
def test_short_ladders_are_searched_exactly(ladder: list[float]) -> None:
    for wanted in {smooth(rung) + off for rung in ladder for off in (-1, 0, 1)}:
        fitting = [rung for rung in ladder if smooth(rung) <= wanted]
        reaching = [rung for rung in ladder if smooth(rung) >= wanted]
        if fitting:
            assert search(encoder(smooth)[0], ladder, Target("size", wanted)).quality == fitting[-1]
        if reaching:  # any number may stand for a PSNR
            assert search(encoder(smooth)[0], ladder, Target("psnr", wanted)).quality == reaching[0]


@pytest.mark.parametrize(("curve", "worst"), [(smooth, 0.002), (noisy, 0.03)])
def test_a_rate_is_used_up(curve: Callable[[float], float], worst: float) -> None:
    gaps, counts = [], []
    for wanted in np.random.default_rng(4).uniform(curve(1), curve(100), 200):
        attempt, asked = encoder(curve)
        gaps.append(1 - search(attempt, HUNDREDTHS, Target("size", wanted)).reached / wanted)
        counts.append(len(asked))
    assert max(gaps) < worst
    assert np.mean(counts) < 9


def test_a_fidelity_is_reached_at_the_lowest_quality() -> None:
    def fidelity(quality: float) -> float:
        return 26 + 7 * (quality / 100) ** 0.7

    for wanted in np.random.default_rng(5).uniform(fidelity(1), fidelity(100), 100):
        found = search(encoder(fidelity)[0], HUNDREDTHS, Target("psnr", wanted))
        assert wanted <= found.reached < wanted + 0.01
    assert search(encoder(fidelity)[0], HUNDREDTHS, Target("psnr", 10)).quality == 1


def test_a_lossless_end_does_not_mislead() -> None:
    attempt, asked = encoder(lambda quality: math.inf if quality > 99 else quality)
    assert search(attempt, HUNDREDTHS, Target("psnr", 60)).quality == pytest.approx(60, abs=0.05)
    assert len(asked) <= MOST_TRIALS
    assert search(encoder(lambda _: math.inf)[0], HUNDREDTHS, Target("psnr", 60)).quality == 1


def test_out_of_reach() -> None:
    attempt, asked = encoder(smooth)
    with pytest.raises(
        TargetUnreachable, match=r"^5000 bytes cannot be reached: the smallest file, at quality 1, has 6110"
    ):
        search(attempt, HUNDREDTHS, Target("size", 5000))
    assert len(asked) == 2
    with pytest.raises(
        TargetUnreachable, match="99 dB cannot be reached: the best, at quality 95, has 19 dB"
    ) as caught:
        search(encoder(lambda quality: quality / 5)[0], range(1, 96), Target("psnr", 99))
    assert caught.value.nearest == Trial(95, b"", 19)
    with pytest.raises(TargetUnreachable):
        search(encoder(smooth)[0], [50.0], Target("size", 5))


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan, "1", None])
def test_a_target_is_a_positive_number(value: object) -> None:
    with pytest.raises(BadOption, match="a target of bpp must be a positive number, not"):
        Target("bpp", value)  # type: ignore[arg-type]


def test_a_target_is_of_a_known_kind() -> None:
    with pytest.raises(BadOption, match="a target is one of bpp, size, psnr, not 'ssim'"):
        Target("ssim", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *[("40000", 40_000), ("40k", 40_000), ("40K", 40_000), ("1.5M", 1_500_000), ("64Ki", 65_536), ("1Mi", 1 << 20)],
        *[("40kB", 40_000), ("10MB", 10_000_000), ("10 mb", 10_000_000), ("5MiB", 5 << 20), ("1GiB", 1 << 30)],
        ("9B", 9),
    ],
)
def test_sizes_have_suffixes(text: str, size: int) -> None:
    assert Target.parse("size", text) == Target("size", size)


@pytest.mark.parametrize(
    "text", ["", "k", "kB", "4 0", "40 Ti", "40kk", "40BB", "k40", "-1k", "0k", "inf", "nan", "infM", "1e999"]
)
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(BadOption, match="a target of bytes must be"):
        Target.parse("size", text)


def test_only_sizes_have_suffixes() -> None:
    assert Target.parse("psnr", "35.5") == Target("psnr", 35.5)
    with pytest.raises(BadOption, match="a target of bpp must be a number, not '1k'"):
        Target.parse("bpp", "1k")


@pytest.mark.parametrize("name", ["target", "target-size", "on-trial"])
def test_options_cannot_take_the_names(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be named"):
        CodecSpec("x", "x:X", "", options=(Option(name, int, 1, ""),))


def test_psnr_uses_the_peak_of_the_depth() -> None:
    black8, black16 = (Picture(np.zeros((2, 3, 1), dtype)) for dtype in (np.uint8, np.uint16))
    off8, off16 = Picture(np.full((2, 3, 1), 5, np.uint8)), Picture(np.full((2, 3, 1), 5 * 257, np.uint16))
    assert psnr(black8, off8) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr(black16, off16) == pytest.approx(psnr(off8, black8))
    assert psnr(black8, black8) == math.inf


PLUGIN = """
from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec
from nic_core.weights import bundled

api_version = "1.0"

@hookimpl
def nic_codecs():
    for name in ("coarse", "coarse-rates", "coarse-one", "coarse-bare"):
        yield CodecSpec(name, "nic_coarse.codec:CoarseCodec", "Deflated pixels, rounded to steps.")

@hookimpl
def nic_weights():
    yield from bundled("nic_coarse")
"""

CODEC = '''
import struct
import zlib

import numpy as np
from nic_core.codec import Coded, PixelCodec

class CoarseCodec(PixelCodec):
    """Rounds to multiples of a step that falls to 1, lossless, at quality 100."""

    def compress(self, pixels, quality, options):
        peak = np.iinfo(pixels.dtype).max
        step = 1 + (100 - (self.info.quality if quality is None else quality)) * peak / 2000
        coarse = np.round(pixels / step).astype("<u2").tobytes()
        return Coded((zlib.compress(coarse, 9),), zlib.crc32(coarse), "zlib", struct.pack("<d", step))

    def decompress(self, units, header, options):
        coarse = np.frombuffer(zlib.decompress(units[0]), "<u2")
        dtype = np.dtype(f"u{header.bit_depth // 8}")
        pixels = np.minimum(np.round(coarse * struct.unpack("<d", header.params)[0]), np.iinfo(dtype).max)
        return pixels.astype(dtype).reshape(header.height, header.width, header.channels)
'''


@pytest.fixture
def coarse(install: Install, make_weights: Make, store: Path) -> None:
    """Install `coarse` (2 to 100, the default), `coarse-rates` (10, 33.333, 90), `coarse-one` and `coarse-bare`."""
    site = install(
        "nic-coarse", {"nic_coarse/__init__.py": PLUGIN, "nic_coarse/codec.py": CODEC}, "coarse = nic_coarse"
    )
    weights = site / "nic_coarse" / "weights"
    make_weights(weights / "all.safetensors", "coarse", "all", quality=(2.0, 100.0), rank=5)
    for quality in (10.0, 33.333, 90.0):
        make_weights(weights / f"{quality}.safetensors", "coarse-rates", f"at-{quality}", quality=quality, rank=1)
    make_weights(weights / "one.safetensors", "coarse-one", "one", quality=40.0)


def photograph(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    """Return a soft gradient with noise, so that every step of the rounding shows."""
    rows, columns = np.linspace(0, 1, shape[0])[:, None, None], np.linspace(0, 1, shape[1])[None, :, None]
    noise = np.random.default_rng(2).normal(0, 0.02, (*shape[:2], (*shape, 1)[2]))
    return (np.iinfo(dtype).max * (0.3 + 0.2 * (rows + columns) + noise).clip(0, 1)).astype(dtype)


@pytest.mark.parametrize("shape", [(40, 48, 3), (40, 48, 4), (33, 30, 1)], ids=["rgb", "rgba", "gray"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_whole_file_keeps_to_a_rate(coarse: None, shape: tuple[int, ...], dtype: type) -> None:
    picture = Picture(*(Picture.of(photograph(*shape, dtype=dtype)).__dict__[name] for name in ("pixels", "alpha")))
    picture = Picture(picture.pixels, picture.alpha, xmp=b"<x:xmpmeta/>")
    codec = nic.load("coarse")
    least, most = (len(codec.encode(picture, quality)) for quality in (2, 100))
    for size in np.random.default_rng(1).integers(least, most, 6):
        data = codec.encode(picture, target=nic.Target("size", int(size)))
        assert 0.9 * size < len(data) <= size
        assert data == codec.encode(picture, nic.inspect(data).quality)
        assert codec.decode_picture(data).xmp == picture.xmp
        bpp = 8 * size / (shape[0] * shape[1])
        assert 0.9 * size < len(nic.encode(picture, target=nic.Target("bpp", bpp))) <= size


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_decoded_picture_reaches_a_psnr(coarse: None, dtype: type) -> None:
    picture = Picture.of(photograph(40, 48, 3, dtype=dtype))
    codec = nic.load("coarse")
    for wanted in (38, 41.5, 46):
        data = codec.encode(picture, target=nic.Target("psnr", wanted))
        assert wanted <= psnr(picture, codec.decode_picture(data)) < wanted + 0.3
    assert nic.inspect(codec.encode(picture, target=nic.Target("psnr", 1))).quality == 2


def test_a_psnr_is_that_of_the_upright_picture_where_metadata_goes(coarse: None) -> None:
    turned = Picture(photograph(20, 48, 3), exif=b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    codec = nic.load("coarse")
    back = codec.decode_picture(codec.encode(turned, target=nic.Target("psnr", 35), strip=True))
    assert (back.width, back.height) == (20, 48)
    assert psnr(turned.stripped(), back) >= 35


def test_one_of_several_weights_is_chosen(coarse: None) -> None:
    picture = photograph(40, 48, 3)
    codec = nic.load("coarse-rates")
    assert codec.ladder == [10, 33.333, 90]
    sizes = {quality: len(codec.encode(picture, quality)) for quality in codec.ladder}
    assert sorted(sizes.values()) == list(sizes.values())
    for quality, size in sizes.items():
        assert len(codec.encode(picture, target=nic.Target("size", size))) == size
        assert nic.inspect(codec.encode(picture, target=nic.Target("size", size + 1))).quality == round(quality, 2)
    with pytest.raises(TargetUnreachable, match=f"quality 10, has {sizes[10]} bytes"):
        codec.encode(picture, target=nic.Target("size", sizes[10] - 1))


def test_a_ladder_has_each_hundredth_of_a_range_and_what_lies_between(
    coarse: None, make_weights: Make, store: Path
) -> None:
    assert nic.load("coarse").ladder == HUNDREDTHS[100:]
    make_weights(store / "coarse" / "x.safetensors", "coarse", "x", quality=1.5)
    make_weights(store / "coarse" / "y.safetensors", "coarse", "y")
    assert nic.load("coarse").ladder == [1.5, *HUNDREDTHS[100:]]


def test_a_single_rate_is_no_ladder(coarse: None, make_weights: Make, tmp_path: Path) -> None:
    explicit = make_weights(tmp_path / "w.safetensors", "coarse", "w", quality=30.0)
    unknown = make_weights(tmp_path / "u.safetensors", "coarse", "u")
    for codec in (nic.load("coarse-one"), nic.load("coarse", explicit), nic.load("coarse", unknown)):
        with pytest.raises(BadOption, match="has no ladder of qualities to search here"):
            codec.encode(photograph(4, 4, 3), target=nic.Target("bpp", 8))
    with pytest.raises(WeightsNotFound, match="no weights for coarse-bare"):
        nic.load("coarse-bare").encode(photograph(4, 4, 3), target=nic.Target("bpp", 8))


def test_quality_and_target_exclude_each_other(coarse: None) -> None:
    with pytest.raises(BadOption, match="a quality or a target, not both"):
        nic.encode(photograph(4, 4, 3), 50, target=nic.Target("bpp", 8))


def test_trials_are_counted(coarse: None) -> None:
    numbers: list[int] = []
    nic.load("coarse").encode(photograph(40, 48, 3), target=nic.Target("bpp", 8), on_trial=numbers.append)
    assert numbers == list(range(1, len(numbers) + 1))
    assert 2 < len(numbers) <= MOST_TRIALS


def test_metadata_in_the_way_is_named(coarse: None) -> None:
    pixels = photograph(40, 48, 3)
    noise = np.random.default_rng(1).bytes(5000)
    with pytest.raises(TargetUnreachable, match=r"; 50\d\d bytes of it are metadata, which --strip leaves out$"):
        nic.encode(Picture(pixels, xmp=noise), target=nic.Target("size", 5000))
    assert len(nic.encode(Picture(pixels, xmp=noise), target=nic.Target("size", 5000), strip=True)) <= 5000
    with pytest.raises(TargetUnreachable, match=r"has [0-9.]+ bpp$"):
        nic.encode(Picture(pixels, xmp=noise[:9]), target=nic.Target("bpp", 0.01))


@pytest.fixture
def nic_command(coarse: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return `run` of the command line, in a folder with a.png and b.png."""
    from nic_core.cli import run

    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("a.png", "b.png"):
        image_files.write(Picture.of(photograph(40, 48, 3)), folder / name)
    return lambda *arguments: run(list(arguments))


def test_the_command_line_keeps_to_targets(nic_command: Callable[..., int]) -> None:
    assert nic_command("encode", "a.png", "--target-size", "2.5k") == 0
    assert 2400 < len(Path("a.nic").read_bytes()) <= 2500
    assert nic_command("encode", "a.png", "b.png", "--target-bpp", "9", "-o", "out") == 0
    for name in ("a.nic", "b.nic"):
        assert 8.7 < 8 * len(Path("out", name).read_bytes()) / (40 * 48) <= 9
    assert nic_command("encode", "a.png", "--target-psnr", "40", "-o", "c.nic") == 0
    assert 40 <= psnr(image_files.read("a.png"), nic.load("coarse").decode_picture(Path("c.nic").read_bytes())) < 40.3


def test_the_command_line_writes_nothing_out_of_reach(
    nic_command: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    assert nic_command("encode", "a.png", "--target-size", "50") == 1
    assert capsys.readouterr().err.startswith(
        "nic: a.png: 50 bytes cannot be reached: the smallest file, at quality 2, "
    )
    assert nic_command("encode", "a.png", "--target-size", "5k", "--codec", "coarse-one") == 1
    assert "no ladder" in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--target-size", "5k", "--target-psnr", "30"], "exclude one another"),
        (["--target-bpp", "1", "-q", "30"], "exclude one another"),
        (["--target-size", "5T"], "--target-size': a target of bytes must be a number, or one with kB, MB, KiB or MiB"),
        (["--target-bpp", "0"], "--target-bpp': a target of bpp must be a positive number"),
        (["--target-psnr", "nan"], "--target-psnr': a target of dB must be a positive number"),
    ],
)
def test_wrong_usage(
    nic_command: Callable[..., int], capsys: pytest.CaptureFixture, arguments: list[str], says: str
) -> None:
    assert nic_command("encode", "a.png", *arguments) == 2
    assert says in capsys.readouterr().err
    assert not Path("a.nic").exists()


def test_the_progress_bar_counts_trials(
    nic_command: Callable[..., int], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes any stream for a terminal
    assert nic_command("encode", "a.png", "--target-bpp", "9") == 0
    assert re.search(r"encode a\.png, trial \d", capsys.readouterr().err)
    assert nic_command("encode", "b.png", "-q", "9") == 0
    assert "trial" not in capsys.readouterr().err
