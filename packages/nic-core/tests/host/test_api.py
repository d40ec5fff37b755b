"""What a host application calls, with a codec that needs no torch."""

import io
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import nic_core as nic
import numpy as np
import pytest
from nic_core import api, weights
from nic_core.errors import (
    BadOption,
    BadPicture,
    CannotRead,
    CodecNotFound,
    DamagedFile,
    UnsupportedFile,
    WeightsNotFound,
)
from nic_core.format.container import File, pack, unpack
from nic_core.host.cache import cache
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_core.user_config import put
from nic_core.weights import preferred
from nic_core.weights.preferred import Default
from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
Make = Callable[..., Path]


def exif_block(orientation: int) -> bytes:
    """Return an EXIF block that states an orientation."""
    exif = Image.Exif()
    exif[274] = orientation
    return exif.tobytes().removeprefix(b"Exif\0\0")


def values(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    """Return random values."""
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (5, 8, 2), (9, 4, 3), (1, 6, 4)])
def test_pictures_come_back(fake: ModuleType, shape: tuple, dtype: type) -> None:
    bare = Picture.of(values(*shape, dtype=dtype))
    picture = Picture(bare.pixels, bare.alpha, SRGB, exif_block(6), XMP)
    data = nic.load("zip").encode(picture)
    back = nic.load("zip").decode_picture(data)
    np.testing.assert_array_equal(back.to_array(), picture.to_array())
    assert back.bit_depth == picture.bit_depth
    assert (back.icc, back.exif, back.xmp) == (SRGB, picture.exif, XMP)
    header = nic.inspect(data)
    assert (header.width, header.height) == (shape[1], shape[0])
    assert (header.codec, header.coder, header.quality) == ("zip", "zlib", 50.0)


def test_strip_turns_upright(fake: ModuleType) -> None:
    picture = Picture(values(2, 3, 3), None, SRGB, exif_block(6), XMP)
    codec = nic.load("zip")
    back = codec.decode_picture(codec.encode(picture, strip=True))
    assert (back.icc, back.exif, back.xmp) == (None, None, None)
    np.testing.assert_array_equal(back.pixels, np.rot90(picture.pixels, -1))


def test_sources_and_module_level_calls(fake: ModuleType, tmp_path: Path) -> None:
    array = values(4, 5, 3)
    path = tmp_path / "a.png"
    Image.fromarray(array).save(path)
    for source in (array, Image.fromarray(array), path, str(path), Picture(array)):
        image = nic.decode(nic.encode(source))
        assert isinstance(image, Image.Image)
        np.testing.assert_array_equal(np.asarray(image), array)
    for source, says in ((array / 255, "float"), (tmp_path / "b.png", "no such file"), (5, "not int")):
        with pytest.raises(BadPicture, match=says):
            nic.encode(source)


def test_options_reach_the_codec_checked(fake: ModuleType) -> None:
    codec = nic.load("zip")
    data = codec.encode(values(4, 5, 3), level="9")
    assert codec.opened(codec.weights[0]).last == (50.0, {"level": 9, "text": None})
    np.testing.assert_array_equal(np.asarray(codec.decode(data, invert=True)), 255 - values(4, 5, 3))
    np.testing.assert_array_equal(np.asarray(nic.decode(data, invert="yes")), 255 - values(4, 5, 3))
    for options, says in (
        ({"level": 10}, "level must be 0 to 9, not 10"),
        ({"colour": 1}, "zip has no encode option 'colour'; it has captions, level, level-table, text"),
        ({"invert": True}, "zip has no encode option 'invert'"),
    ):
        with pytest.raises(BadOption, match=says):
            codec.encode(values(4, 5, 3), **options)
    with pytest.raises(BadOption, match="zip has no decode option 'level'; it has invert"):
        codec.decode(data, level=1)


@pytest.mark.parametrize(("asked", "taken"), [(None, 50), (1, 1), (100, 100), (37.256, 37.26), ("20", 20)])
def test_quality_within_a_range(fake: ModuleType, asked: object, taken: float) -> None:
    codec = nic.load("zip")
    assert nic.inspect(codec.encode(values(2, 2, 3), asked)).quality == taken
    assert codec.opened(codec.weights[0]).last[0] == taken


@pytest.mark.parametrize("asked", [0, 100.5, -1, float("nan"), float("inf"), "much"])
def test_quality_has_limits(fake: ModuleType, asked: object) -> None:
    with pytest.raises(BadOption, match="quality must be 1 to 100, not"):
        nic.encode(values(2, 2, 3), asked)


def test_quality_is_clamped_to_what_the_weights_cover(
    fake: ModuleType, make_weights: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nic")
    codec = nic.load("zip", make_weights(tmp_path / "w", "zip", "narrow", quality=(20.0, 40.0)))
    for asked, taken in ((10, 20), (30, 30), (90, 40), (None, 40)):
        assert nic.inspect(codec.encode(values(2, 2, 3), asked)).quality == taken
    assert "quality 20 taken, the nearest to 10 that zip has" in caplog.text
    assert "to 30" not in caplog.text


@pytest.mark.parametrize(("asked", "taken"), [(None, 80), (1, 20), (49, 20), (51, 80), (50, 80), (100, 80)])
def test_the_nearest_single_rate_is_taken(
    fake: ModuleType, asked: float | None, taken: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nic")
    codec = nic.load("zip-rate")
    data = codec.encode(values(2, 2, 3), asked)
    assert nic.inspect(data).quality == taken
    assert (f"quality {taken} taken" in caplog.text) == (asked is not None)
    assert codec.decode(data)  # and found again
    (opened,) = {codec.opened(spec) for spec in codec.weights if spec.quality == taken}
    assert opened.last[0] is None


def test_single_rate_weights_and_a_quality_exclude_each_other(fake: ModuleType) -> None:
    codec = nic.load("zip-rate", "low")
    assert nic.inspect(codec.encode(values(2, 2, 3))).quality == 20
    with pytest.raises(BadOption, match="these weights of zip-rate have a single rate: leave out the quality, or the"):
        codec.encode(values(2, 2, 3), 20)


def test_weights_that_do_not_know_their_quality(fake: ModuleType, make_weights: Make, tmp_path: Path) -> None:
    codec = nic.load("zip-bare", make_weights(tmp_path / "w", "zip-bare", "unknown"))
    data = codec.encode(values(2, 2, 3))
    assert nic.inspect(data).quality is None
    with pytest.raises(WeightsNotFound):
        nic.decode(data)
    weights.add(tmp_path / "w")
    nic.decode(data)


def test_synthesis_is_preferred_but_not_required(
    fake: ModuleType, make_weights: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nic")
    paths = [make_weights(tmp_path / f"w{i}", "zip-bare", "same", synthesis=i, rank=i, quality=30.0) for i in range(3)]
    data = nic.load("zip-bare", paths[1]).encode(values(2, 2, 3))
    for i in (0, 2, 1):
        weights.add(paths[i])
        codec = nic.load("zip-bare")
        codec.decode(data)
        used = codec.opened(codec.weights_for(nic.inspect(data))).info
        assert used.entropy_id == nic.inspect(data).entropy_id
        assert used.rank == i  # the best of those that fit, then the exact one
        assert ("decoding with the synthesis" in caplog.text) == (i != 1)
        caplog.clear()


def test_a_missing_entropy_model_is_named(fake: ModuleType, make_weights: Make, tmp_path: Path) -> None:
    codec = nic.load("zip", make_weights(tmp_path / "w", "zip", "other", quality=(1.0, 100.0)))
    data = codec.encode(values(2, 2, 3))
    there = nic.load("zip").weights[0].entropy_id
    needed = nic.inspect(data).entropy_id
    message = rf"the file needs the zip weights with entropy model {needed}, which are not installed \(there: {there}\)"
    with pytest.raises(WeightsNotFound, match=message):
        nic.decode(data)
    np.testing.assert_array_equal(np.asarray(codec.decode(data)), values(2, 2, 3))


def test_no_weights_at_all(fake: ModuleType) -> None:
    with pytest.raises(WeightsNotFound, match="no weights for zip-bare are installed: train some with 'nic train zip-"):
        nic.load("zip-bare").encode(values(2, 2, 3))


def test_weights_of_another_codec(fake: ModuleType, make_weights: Make, tmp_path: Path) -> None:
    path = make_weights(tmp_path / "w", "zip", "other")
    with pytest.raises(WeightsNotFound, match="w holds weights of zip, not of zip-rate"):
        nic.load("zip-rate", path)


def test_the_default_codec_ranks_highest(
    fake: ModuleType, make_weights: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nic.load().spec.id == "zip"
    weights.add(make_weights(tmp_path / "w", "zip-rate", "best", quality=50.0, rank=9))
    assert nic.load().spec.id == "zip-rate"
    assert nic.inspect(nic.encode(values(2, 2, 3))).codec == "zip-rate"
    monkeypatch.setenv("NIC_CODEC", "zip")
    assert nic.inspect(nic.encode(values(2, 2, 3))).codec == nic.load().spec.id == "zip"
    monkeypatch.setenv("NIC_CODEC", "zap")
    with pytest.raises(CodecNotFound, match="no installed package brings the codec 'zap'"):
        nic.load()
    monkeypatch.delenv("NIC_CODEC")
    monkeypatch.setenv("NIC_WEIGHTS", str(tmp_path / "empty"))
    monkeypatch.setenv("NIC_PLUGINS", "")
    with pytest.raises(WeightsNotFound, match="no default codec is installed: pip install nic-mini"):
        nic.load()


def test_a_strangers_codec_becomes_the_default_aloud(
    fake: ModuleType,
    install: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(preferred, "DISTRIBUTIONS", {"zip-rate": "nic-fake"})
    monkeypatch.setenv("NIC_CONFIG", str(tmp_path / "config.json"))
    assert nic.load().spec.id == "zip"
    assert caplog.messages == []
    install(
        "nic-stranger",
        {
            "stranger.py": "from nic_core.hooks import hookimpl\nfrom nic_core.spec import CodecSpec, WeightsSpec\n"
            "api_version = '1.0'\n"
            "@hookimpl\ndef nic_codecs():\n    yield CodecSpec('other', 'nic_fake.codec:ZipCodec', 'Other.')\n"
            "@hookimpl\ndef nic_weights():\n    yield WeightsSpec('other', 'w', 'nowhere', rank=99)\n"
        },
        "stranger = stranger",
    )
    for _ in range(2):
        assert nic.load().spec.id == "other"
    assert caplog.messages == [
        "the default codec is other of nic-stranger, whose weights outrank zip: 'nic config default zip' keeps that, "
        "'nic config default other' ends this line"
    ]
    for chosen in ("zip", "other"):
        caplog.clear()
        preferred._said.clear()
        put("default", chosen)
        assert nic.load().spec.id == chosen
        assert caplog.messages == []


def test_a_strangers_weights_of_an_own_codec_are_taken_aloud(
    fake: ModuleType, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(preferred, "DISTRIBUTIONS", {"zip": "nic-fake"})
    source = (
        "from nic_core.hooks import hookimpl\nfrom nic_core.spec import WeightsSpec\napi_version = '1.0'\n"
        "@hookimpl\ndef nic_weights():\n    yield WeightsSpec('zip', 'theirs', 'nowhere', rank=99)\n"
    )
    install("nic-stranger", {"stranger.py": source}, "stranger = stranger")
    assert nic.load().spec.id == "zip"
    assert caplog.messages == [
        "the weights of zip that rank highest are theirs of nic-stranger: '--weights any' takes nic's own, "
        "'nic config default zip' ends this line"
    ]


def test_what_is_said_wins_over_rank(fake: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NIC_CONFIG", str(tmp_path / "config.json"))
    assert weights.default() == Default("zip", "the highest rank of weights")
    put("default", "zip-rate")
    assert weights.default() == Default("zip-rate", "nic config default")
    monkeypatch.setenv("NIC_CODEC", "zip-bare")
    assert weights.default() == Default("zip-bare", "NIC_CODEC")
    monkeypatch.delenv("NIC_CODEC")
    put("default", "gone")
    with pytest.raises(CodecNotFound, match=r"^the default by nic config default: no .*\. Installed: zip,"):
        nic.load()
    assert nic.load("zip").spec.id == "zip"


def test_weights_of_a_codec_that_is_not_there_are_no_default(
    fake: ModuleType, make_weights: Make, tmp_path: Path
) -> None:
    weights.add(make_weights(tmp_path / "w", "absent", "w", quality=50.0, rank=99))
    assert nic.load().spec.id == "zip"


def test_files_of_other_codecs(fake: ModuleType) -> None:
    data = nic.load("zip").encode(values(2, 2, 3))
    with pytest.raises(BadOption, match="made by the codec 'zip', not 'zip-rate'"):
        nic.load("zip-rate").decode(data)
    file = unpack(data)
    foreign = pack(File(type(file.header)(**{**vars(file.header), "codec": "taco"}), file.units))
    assert nic.inspect(foreign).codec == "taco"
    with pytest.raises(CodecNotFound, match="pip install nic-taco"):
        nic.decode(foreign)


def test_damaged_content_with_a_sound_crc(fake: ModuleType) -> None:
    file = unpack(nic.encode(Picture(values(3, 2, 3), icc=SRGB)))
    for units, chunks in (((b"junk",), file.chunks), (file.units, {"iccp": b"junk"}), (file.units, {"alph": b"junk"})):
        with pytest.raises(DamagedFile):
            nic.decode(pack(File(file.header, units, chunks)))
    assert nic.decode(pack(File(file.header, file.units, {"newb": b"junk"})))


def test_the_limit_of_pixels_can_be_raised(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    data = nic.encode(values(10, 20, 3))
    monkeypatch.setenv("NIC_MAX_PIXELS", "199")
    assert nic.inspect(data).width == 20
    for call in (nic.decode, nic.load("zip").decode, nic.load("zip").decode_picture):
        with pytest.raises(UnsupportedFile, match="20 x 10 pixels, more than the limit of 199"):
            call(data)
        assert call(data, max_pixels=200).width == 20


def test_weights_are_opened_once(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    start = fake.ZipCodec.__init__
    monkeypatch.setattr(fake.ZipCodec, "__init__", lambda self, *args: opened.append(args) or start(self, *args))
    for _ in range(3):
        nic.decode(nic.encode(values(2, 2, 3)))
    assert len(opened) == 1
    assert opened[0][2] == "auto"
    nic.decode(nic.encode(values(2, 2, 3)), device="cpu")
    assert len(opened) == 2


def test_model_is_none_where_there_is_none(fake: ModuleType) -> None:
    assert nic.load("zip").model is None


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("mini", ("mini", None, {})),
        ("mini:", ("mini", None, {})),
        ("mini@low", ("mini", "low", {})),
        ("mini:a=1,b-c=x y", ("mini", None, {"a": "1", "b-c": "x y"})),
        ("mini:text=a=b", ("mini", None, {"text": "a=b"})),
        ("mini:text=http://a/b", ("mini", None, {"text": "http://a/b"})),
        ("mini@low:a=1", ("mini", "low", {"a": "1"})),
        ("mini@/a/b.safetensors", ("mini", "/a/b.safetensors", {})),
        ("mini@https://a.b:80/c.safetensors", ("mini", "https://a.b:80/c.safetensors", {})),
        ("mini@https://a.b/c?d=e", ("mini", "https://a.b/c?d=e", {})),
        ("mini@https://a.b/c.safetensors:a=1,b=2", ("mini", "https://a.b/c.safetensors", {"a": "1", "b": "2"})),
        ("mini@hf://owner/repository/w:a=1", ("mini", "hf://owner/repository/w", {"a": "1"})),
        (r"mini@C:\w\a.safetensors", ("mini", r"C:\w\a.safetensors", {})),
        (r"mini@C:\w\a.safetensors:a=1", ("mini", r"C:\w\a.safetensors", {"a": "1"})),
        (r"mini@C:\w=2\a.safetensors", ("mini", r"C:\w=2\a.safetensors", {})),
        ("mini@C:/w=2/a.safetensors", ("mini", "C:/w=2/a.safetensors", {})),
        ("mini@w:text=http://a:1/b", ("mini", "w", {"text": "http://a:1/b"})),
        ("mini@user@host/w", ("mini", "user@host/w", {})),
        ("mini:text=a@b", ("mini", None, {"text": "a@b"})),
    ],
)
def test_how_codecs_are_written(text: str, parsed: tuple) -> None:
    assert api.parse_codec(text) == parsed


@pytest.mark.parametrize("text", ["mini:a", "mini:a=1,b", "mini@w:a=1,b"])
def test_how_codecs_are_not_written(text: str) -> None:
    with pytest.raises(BadOption, match=r"is not of the form id\[@weights\]\[:key=value,...\]: '.' has no '='"):
        api.parse_codec(text)


@pytest.mark.parametrize("device", ["banana", "", "cuda:", "cpu:0", "CUDA", "auto\n"])
def test_a_device_that_is_none(fake: ModuleType, device: str) -> None:
    with pytest.raises(BadOption, match="the device must be auto, cpu, cuda, cuda:1, mps or xpu, not '"):
        nic.load("zip", device=device)


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Return what `work` returns for 0, 1, ... in as many threads that start at once."""
    barrier = threading.Barrier(count)

    def start(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


def test_weights_are_opened_once_by_all_threads(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    class Slow(fake.ZipCodec):
        def __init__(self, *args: Any) -> None:
            time.sleep(0.05)
            opened.append(self)
            super().__init__(*args)

    monkeypatch.setattr(fake, "ZipCodec", Slow)
    files = in_threads(4, lambda number: nic.encode(values(2, 2, 3), 10 + number))
    assert [nic.inspect(file).quality for file in files] == [10, 11, 12, 13]
    assert len(opened) == len(cache) == 1


def test_different_codecs_open_at_the_same_time(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=10)

    class Meeting(fake.ZipCodec):
        def __init__(self, *args: Any) -> None:
            both.wait()
            super().__init__(*args)

    monkeypatch.setattr(fake, "ZipCodec", Meeting)
    codecs = [nic.load("zip"), nic.load("zip-rate")]
    files = in_threads(2, lambda number: codecs[number].encode(values(2, 2, 3)))
    assert [nic.inspect(file).codec for file in files] == ["zip", "zip-rate"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_files_are_any_run_of_bytes(fake: ModuleType, kind: Callable[[bytes], Any]) -> None:
    data = nic.load("zip").encode(values(3, 5, 3), 100)
    twice = bytes(byte for byte in data for _ in range(2))
    for given in (kind(data), memoryview(twice)[::2]):
        assert nic.inspect(given).width == 5
        assert nic.decode(given).tobytes() == values(3, 5, 3).tobytes()


@pytest.mark.parametrize("given", [None, 5, [1, 2], io.StringIO("text")])
def test_what_is_no_file(fake: ModuleType, given: Any) -> None:
    for call in (nic.inspect, nic.decode, nic.load("zip").decode):
        with pytest.raises(BadOption, match=f"is bytes, a path or a binary file, not {type(given).__name__}"):
            call(given)


def test_a_file_that_is_not_there(fake: ModuleType, tmp_path: Path) -> None:
    for call in (nic.inspect, nic.decode, nic.load("zip").decode):
        for path in (tmp_path / "a.nic", str(tmp_path / "a.nic")):
            with pytest.raises(CannotRead, match=r"cannot read .*a\.nic: No such file"):
                call(path)


def test_files_and_pictures_are_taken_in_any_form(fake: ModuleType, tmp_path: Path) -> None:
    pixels, path, png = values(5, 4, 3), tmp_path / "a.nic", tmp_path / "a.png"
    image_files.write(Picture(pixels), png)
    pictures = [png, str(png), png.read_bytes(), bytearray(png.read_bytes()), memoryview(png.read_bytes())]
    pictures += [io.BytesIO(png.read_bytes()), Image.open(png), pixels, Picture(pixels)]
    (data,) = {nic.encode(picture) for picture in pictures}
    path.write_bytes(data)
    every_second = memoryview(bytes(byte for byte in data for _ in range(2)))[::2]
    with path.open("rb") as file:
        forms = [data, bytearray(data), memoryview(data), every_second, path, str(path), file, io.BytesIO(data)]
        for form in forms:
            assert np.array_equal(nic.decode_picture(form).pixels, pixels)
    assert nic.inspect(path).width == nic.inspect(io.BytesIO(data)).width == 4


def test_many_pictures_keep_their_order(fake: ModuleType) -> None:
    pictures = [values(2 + number, 3, 3) for number in range(9)]
    with nic.load("zip") as codec:
        files = codec.encode_batch(iter(pictures), quality=30, threads=3)
        decoded = list(codec.decode_batch(files, threads=2))
        assert [picture.height for picture in decoded] == [picture.shape[0] for picture in pictures]
        broken = codec.decode_batch([codec.encode(pictures[0]), b"", codec.encode(pictures[1])])
        assert next(broken).height == 2
        with pytest.raises(DamagedFile):
            next(broken)


def test_equal_sizes_that_follow_one_another_are_a_batch(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []

    class Batching(fake.ZipCodec):
        batch_pixels = 4 * 6

        def compress_batch(self, pictures: Any, quality: Any, options: Any) -> Any:
            batches.append(len(pictures))
            return super().compress_batch(pictures, quality, options)

        def decompress_batch(self, files: Any, options: Any) -> Any:
            batches.append(len(files))
            return super().decompress_batch(files, options)

    monkeypatch.setattr(fake, "ZipCodec", Batching)
    codec = nic.load("zip")
    pictures = [*(values(2, 3, 3) + number for number in range(6)), values(3, 2, 3), values(3, 2, 1), values(2, 3, 3)]
    files = list(codec.encode_batch(pictures, quality=100, threads=1))
    assert batches == [4, 2]  # and three by themselves
    assert files == [codec.encode(picture, 100) for picture in pictures]
    batches.clear()
    assert all(map(np.array_equal, (p.pixels for p in codec.decode_batch(files, threads=1)), pictures))
    assert batches == [4, 2]
    assert len(list(codec.decode_batch(files, scale=1 / 2))) == len(list(codec.encode_batch(pictures, tile=None))) == 9
    assert batches == [4, 2]


def test_an_error_in_a_batch_comes_in_its_place(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake.ZipCodec, "batch_pixels", 10**6)
    codec = nic.load("zip")
    good = [codec.encode(values(2, 3, 3) + number, 100) for number in range(3)]
    other = unpack(good[2])
    bad = pack(replace(other, header=replace(other.header, checksum=other.header.checksum ^ 1)))
    decoded = codec.decode_batch([*good[:2], bad, good[0]])
    assert [next(decoded).pixels[0, 0, 0] for _ in range(2)] == [values(2, 3, 3)[0, 0, 0] + n for n in range(2)]
    with pytest.raises(DamagedFile, match="not those that were coded"):
        next(decoded)
    decoded = codec.decode_batch([good[0], b"", good[1]])
    assert next(decoded).height == 2
    with pytest.raises(DamagedFile):
        next(decoded)
    encoded = codec.encode_batch([values(2, 3, 3), np.zeros((2, 3, 3)), values(2, 3, 3)], quality=100)
    assert next(encoded) == good[0]
    with pytest.raises(BadPicture, match="float arrays are refused"):
        next(encoded)


def test_core_imports_no_torch(fake: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.nic").write_bytes(nic.encode(values(2, 2, 3)))
    image_files.write(Picture(values(2, 2, 3)), tmp_path / "a.png")
    code = (
        "import sys, pathlib, nic_core as nic; nic.list_codecs();"
        f"nic.inspect(pathlib.Path({str(tmp_path / 'a.nic')!r}).read_bytes()); nic.encode({str(tmp_path / 'a.png')!r});"
        "print([name for name in ('torch', 'compressai', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
