"""PNG files built here: every kind that there is to the right pixels, and files that lie about their size."""

import itertools
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from nic_core.errors import BadPicture
from nic_core.pictures import image_files, png
from nic_core.pictures.picture import Picture
from nic_core.pictures.png import chunks as png_chunks
from nic_core.pictures.png import files as png_files
from nic_core.pictures.png import filters as png_filters

GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
SAMPLES = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}
KINDS = [
    *itertools.product([GRAY], [1, 2, 4, 8, 16]),
    *itertools.product([PALETTE], [1, 2, 4, 8]),
    *itertools.product([RGB, GRAY_ALPHA, RGB_ALPHA], [8, 16]),
]
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def ihdr(width: int, height: int, colour: int, depth: int, interlaced: bool = False) -> bytes:
    """Return the header of a file."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def file_of(*chunks: bytes) -> bytes:
    """Return a file of chunks, with its signature and end."""
    return b"".join((png_chunks.SIGNATURE, *chunks, chunk(b"IEND", b"")))


def filtered(samples: np.ndarray, depth: int) -> bytes:
    """Return rows of samples as PNG stores them, with each of its five filters in turn."""
    height, step = len(samples), max(1, samples.shape[2] * depth // 8)
    if depth < 8:
        bits = np.unpackbits(samples.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
        raw = np.packbits(bits.reshape(height, -1), axis=1)
    else:
        raw = samples.astype(f">u{depth // 8}").reshape(height, -1).view(np.uint8)
    raw = raw.astype(int)
    out = b""
    for y, row in enumerate(raw):
        up = raw[y - 1] if y else np.zeros_like(row)
        left, corner = np.zeros_like(row), np.zeros_like(row)
        left[step:], corner[step:] = row[:-step], up[:-step]
        guess = left + up - corner
        distances = np.abs(guess - left), np.abs(guess - up), np.abs(guess - corner)
        nearest = np.choose(np.argmin(distances, axis=0), [left, up, corner])
        predicted = (np.zeros_like(row), left, up, (left + up) // 2, nearest)[y % 5]
        out += bytes([y % 5]) + ((row - predicted) % 256).astype(np.uint8).tobytes()
    return out


def stored(samples: np.ndarray, colour: int, depth: int, interlaced: bool, *chunks: bytes) -> bytes:
    """Return a file of samples (H, W, C); chunks: between its header and its pixels."""
    height, width, _ = samples.shape
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    parts = [samples[y::down, x::across] for x, y, across, down in passes]
    packed = zlib.compress(b"".join(filtered(part, depth) for part in parts if part.size))
    cut = len(packed) // 3
    idat = chunk(b"IDAT", packed[:cut]) + chunk(b"IDAT", packed[cut:])
    return file_of(ihdr(width, height, colour, depth, interlaced), *chunks, idat)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_every_kind(colour: int, depth: int, interlaced: bool, capfd: pytest.CaptureFixture) -> None:
    rng = np.random.default_rng(depth)
    most = (1 << depth) - 1
    for size in [(1, 1), (1, 3), (5, 1), (3, 2), (4, 4), (7, 9), (8, 8), (13, 33)]:
        samples = rng.integers(0, most, (*size, SAMPLES[colour]), endpoint=True)
        extra, transparent = [], None
        if colour == PALETTE:
            palette = rng.integers(0, 255, (most + 1, 4), endpoint=True).astype(np.uint8)
            extra.append(chunk(b"PLTE", palette[:, :3].tobytes()))
            opaque = len(palette) // 2  # tRNS may be shorter than the palette
            palette[opaque:, 3] = 255
            transparent = chunk(b"tRNS", palette[:opaque, 3].tobytes())
            expected = palette[samples[..., 0]]
        else:
            expected = (samples * (255 if depth < 16 else 65535) // most).astype(np.uint16 if depth == 16 else np.uint8)
            if colour in (GRAY, RGB):
                chosen = samples[0, 0]
                beyond = 0 if depth == 16 else 0xFF00  # bits that do not count
                transparent = chunk(b"tRNS", struct.pack(f">{len(chosen)}H", *(chosen | beyond)))
                alpha = np.where((samples == chosen).all(2), 0, np.iinfo(expected.dtype).max)
                expected = np.concatenate([expected, alpha[..., None].astype(expected.dtype)], axis=2)
        read = image_files.read_bytes(stored(samples, colour, depth, interlaced, *extra)).to_array()
        opaque = expected if transparent is None else expected[..., :-1]
        np.testing.assert_array_equal(read.reshape(opaque.shape), opaque)
        if transparent:
            data = stored(samples, colour, depth, interlaced, *extra, transparent)
            np.testing.assert_array_equal(image_files.read_bytes(data).to_array(), expected)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_libpng_reads_the_same(colour: int, depth: int, interlaced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    rng = np.random.default_rng(depth)
    samples = rng.integers(0, (1 << depth) - 1, (37, 29, SAMPLES[colour]), endpoint=True)
    extra = []
    if colour == PALETTE:  # with indexes beyond its end
        extra = [chunk(b"PLTE", rng.bytes(3 << depth >> 1)), chunk(b"tRNS", rng.bytes(1 << depth >> 1))]
    elif colour in (GRAY, RGB):
        extra = [chunk(b"tRNS", struct.pack(f">{SAMPLES[colour]}H", *samples[5, 6]))]
    data = stored(samples, colour, depth, interlaced, *extra)
    libpng = imagecodecs.png_decode(data)
    for band in (1, 500, png_filters._BAND):
        monkeypatch.setattr(png_filters, "_BAND", band)
        read = image_files.read_bytes(data).to_array()
        assert read.dtype == libpng.dtype
        np.testing.assert_array_equal(read, libpng)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_libpng_reads_what_is_written(channels: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    y, x, channel = np.mgrid[:150, :200, :channels]
    slopes = 90 * x + 41 * y + 1000 * channel + np.random.default_rng(0).integers(0, 100, y.shape)
    array = (slopes >> (8 if dtype is np.uint8 else 0)).astype(dtype)
    files = set()
    for band in (1, 5000, png_filters._BAND):
        monkeypatch.setattr(png_filters, "_BAND", band)
        files.add(png.encode(Picture.of(array)))
    (data,) = files
    np.testing.assert_array_equal(imagecodecs.png_decode(data), array[..., 0] if channels == 1 else array)
    assert len(data) < 1.05 * len(imagecodecs.png_encode(np.ascontiguousarray(array)))


def test_long_pixels_are_written_in_several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_files, "_LONGEST_DATA", 100)
    noise = np.random.default_rng(0).integers(0, 1 << 16, (20, 30, 3), np.uint16)
    data = png.encode(Picture(noise))
    assert data.count(b"IDAT") > 10
    np.testing.assert_array_equal(png.decode(data).pixels, noise)


@pytest.mark.parametrize("colour", [GRAY, RGB_ALPHA])
def test_a_filter_that_does_not_exist(colour: int) -> None:
    rows = np.zeros((4, 1 + 4 * 2 * SAMPLES[colour]), np.uint8)
    rows[2, 0] = 5
    with pytest.raises(BadPicture, match="damaged"):
        image_files.read_bytes(file_of(ihdr(4, 4, colour, 16), chunk(b"IDAT", zlib.compress(rows))))


PIXELS = chunk(b"IDAT", zlib.compress(bytes(4 * 5)))
COLOURS = chunk(b"PLTE", bytes(3))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (file_of(PIXELS), "does not begin with its header"),
        (file_of(chunk(b"abCD", ihdr(4, 4, GRAY, 8)[8:-4]), ihdr(4, 4, GRAY, 8), PIXELS), "does not begin"),
        (file_of(chunk(b"IHDR", ihdr(4, 4, GRAY, 8)[8:-4] + b"\0"), PIXELS), "does not begin"),
        (file_of(ihdr(4, 4, GRAY, 8), ihdr(4, 4, GRAY, 8), PIXELS), "two chunks IHDR"),
        (file_of(ihdr(4, 4, GRAY, 8)[:-1] + b"x", PIXELS), "header does not match its checksum"),
        (file_of(ihdr(0, 4, GRAY, 8), PIXELS), "size of 0 x 4"),
        (file_of(ihdr(4, 1 << 31, GRAY, 8), PIXELS), "size of 4 x 2147483648"),
        (file_of(ihdr(4, 4, GRAY, 3), PIXELS), "no kind of PNG"),
        (file_of(ihdr(4, 4, 5, 8), PIXELS), "no kind of PNG"),
        (file_of(ihdr(4, 4, RGB, 4), PIXELS), "no kind of PNG"),
        (file_of(ihdr(20_000, 20_000, GRAY, 8), PIXELS), "too large: 20000 x 20000"),
        (file_of(ihdr(1_000_001, 4, GRAY, 8), PIXELS), "too large: 1000001 x 4"),
        (file_of(ihdr(9000, 9000, RGB_ALPHA, 16), PIXELS), "cut short"),
        (file_of(ihdr(9000, 9000, RGB_ALPHA, 16, True), PIXELS), "cut short"),
        (file_of(ihdr(4, 4, GRAY, 8)), "cut short"),
        (file_of(ihdr(4, 4, GRAY, 8), PIXELS[:-1] + b"x"), "chunk IDAT does not match its checksum"),
        (file_of(ihdr(4, 4, GRAY, 8), chunk(b"ABCD", b""), PIXELS), "chunk ABCD, which is not known"),
        (file_of(ihdr(4, 4, GRAY, 8), chunk(b"\xc3\xff\x1b[", b""), PIXELS), "chunk c3ff1b5b, which is not known"),
        (file_of(ihdr(4, 4, PALETTE, 8), PIXELS), "no valid palette"),
        (file_of(ihdr(4, 4, PALETTE, 8), chunk(b"PLTE", bytes(4)), PIXELS), "no valid palette"),
        (file_of(ihdr(4, 4, PALETTE, 8), chunk(b"PLTE", bytes(257 * 3)), PIXELS), "no valid palette"),
        (file_of(ihdr(4, 4, PALETTE, 8), COLOURS, COLOURS, PIXELS), "two chunks PLTE"),
        (file_of(ihdr(4, 4, GRAY, 8), chunk(b"IDAT", b"x\x9c" + b"\xff" * 30)), "damaged or cut short"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused_before_any_work(data: bytes, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_filters.Image, "frombytes", lambda *args: pytest.fail("pixels were decoded"))
    tracemalloc.start()
    try:
        with pytest.raises(BadPicture, match=says) as caught:
            image_files.read_bytes(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert str(caught.value).isprintable()


def test_more_rows_than_the_header_states_are_not_unpacked() -> None:
    bomb = chunk(b"IDAT", zlib.compress(bytes(16 << 20), 1))
    tracemalloc.start()
    try:
        picture = image_files.read_bytes(file_of(ihdr(4, 4, GRAY, 8), bomb))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert picture.to_array().tolist() == [[0] * 4] * 4


@pytest.mark.parametrize(
    "extra",
    [
        [chunk(b"tRNS", b"12345")],
        [chunk(b"tRNS", bytes(2))[:-1] + b"x"],
        [chunk(b"PLTE", bytes(3))],
        [chunk(b"sBIT", b"")],
        [chunk(b"cHRM", bytes(31))],
        [chunk(b"gAMA", bytes(4)), chunk(b"gAMA", bytes(4))],
        [chunk(b"iCCP", b"p\0\0not zlib")],
        [chunk(b"hIST", bytes(3))],
        [chunk(b"tIME", bytes(7))],
        [chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20)))],
        [chunk(b"pHYs", bytes(5))],
        [chunk(b"acTL", bytes(3))],
    ],
)
def test_odd_chunks_are_passed_over_in_silence(extra: list[bytes], capfd: pytest.CaptureFixture) -> None:
    plain = file_of(ihdr(4, 4, GRAY, 8), PIXELS)
    superfluous = file_of(ihdr(4, 4, GRAY, 8), chunk(b"IDAT", zlib.compress(bytes(50)) + b"junk"), *extra)
    for data in (plain, superfluous, file_of(ihdr(4, 4, GRAY, 8), *extra, PIXELS)):
        picture = image_files.read_bytes(data)
        assert picture.alpha is None
        assert not picture.pixels.any()
    assert capfd.readouterr() == ("", "")
