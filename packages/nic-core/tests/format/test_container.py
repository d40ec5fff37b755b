"""The .nic file: there and back, and every way to be damaged."""

import itertools
import struct
import zlib

import numpy as np
import pytest
from nic_core.errors import BadOption, BadPicture, DamagedFile, NicError, UnsupportedFile
from nic_core.format import chunks, container
from nic_core.format.container import File, Header, pack, unpack
from nic_core.format.tiling import Tiling
from nic_core.pictures import image_files, metadata
from nic_core.pictures.picture import Picture

PLAIN = Header(640, 480, 3, 8, "mini", "rans", "0123abcd", "fedc9876", 50.0, 0xBEEF)


def altered(header: Header = PLAIN, **changes: object) -> Header:
    """Return a header with other values."""
    return Header(**{**vars(header), **changes})


def sealed(body: bytes) -> bytes:
    """Return a file's bytes with the CRC that belongs to them."""
    return body + struct.pack("<I", zlib.crc32(body))


def small_file() -> bytes:
    """Return a file that uses every part."""
    header = altered(
        width=5, height=3, channels=1, bit_depth=16, coder="other", params=b"par", tiling=Tiling(4, 2), quality=1.23
    )
    return pack(File(header, (b"a", b"", b"bcd", b"efg"), {"iccp": b"profile", "zzzz": b""}))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("size", [(1, 1), (65535, 2), (2, 65536)])
@pytest.mark.parametrize("quality", [None, 1.0, 37.25, 100.0])
def test_headers_come_back(channels: int, bit_depth: int, size: tuple[int, int], quality: float | None) -> None:
    width, height = size
    tilings = [(None, (b"one",)), (Tiling(40000, 40000, 2), tuple(bytes(n) for n in range(4)))]
    for coder, params, held, (tiling, units) in itertools.product(
        ("rans", "another-coder"), (b"", b"x" * 200), ({}, {"alph": b"1" * 300, "exif": b""}), tilings
    ):
        header = Header(
            width, height, channels, bit_depth, "a-codec", coder, "00000001", "ffffffff", quality, 7, params, tiling
        )
        if tiling is not None and tiling.unit_count(width, height) != len(units):
            units = tuple(bytes(n) for n in range(tiling.unit_count(width, height)))
        file = File(header, units, held)
        assert unpack(pack(file)) == file


@pytest.mark.parametrize(("quality", "most"), [(50.0, 28), (None, 26)])
def test_what_plain_rgb_costs(quality: float | None, most: int) -> None:
    data = pack(File(altered(quality=quality, width=65535, height=3000), (b"coded",)))
    assert len(data) - len("mini") - len(b"coded") <= most


def test_every_flipped_bit_is_noticed() -> None:
    data = small_file()
    for i, bit in itertools.product(range(len(data)), range(8)):
        flipped = bytearray(data)
        flipped[i] ^= 1 << bit
        with pytest.raises(DamagedFile):
            unpack(bytes(flipped))


def test_every_cut_is_noticed() -> None:
    data = small_file()
    for length in range(len(data)):
        with pytest.raises(DamagedFile):
            unpack(data[:length])
    with pytest.raises(DamagedFile):
        unpack(data + b"\0")


def test_what_is_no_nic_file_is_named_so() -> None:
    for data, says in ((b"", "empty"), (b"\x89NI", "cut short"), (b"\x89PNG\r\n", "no .nic file")):
        with pytest.raises(DamagedFile, match=says):
            unpack(data)


def test_a_future_version_says_its_number() -> None:
    body = bytearray(small_file()[:-4])
    body[4] = 9
    with pytest.raises(UnsupportedFile, match="version 9, this nic reads version 1: upgrade"):
        unpack(sealed(body))


def test_an_unknown_flag_is_refused() -> None:
    body = bytearray(small_file()[:-4])
    body[5] |= 0x80
    with pytest.raises(UnsupportedFile, match="flags"):
        unpack(sealed(body))


def test_too_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack(File(altered(width=100_000, height=10_000), (b"",)))
    with pytest.raises(UnsupportedFile, match="100000 x 10000 pixels, more than the limit of 250000000"):
        unpack(data)
    assert unpack(data, max_pixels=10**9).header.width == 100_000
    with pytest.raises(UnsupportedFile):
        unpack(data, max_pixels=10**9 - 1)
    monkeypatch.setenv("NIC_MAX_PIXELS", "1000000000")
    assert unpack(data).header.height == 10_000
    monkeypatch.setenv("NIC_MAX_PIXELS", "")
    with pytest.raises(UnsupportedFile):
        unpack(data)
    monkeypatch.setenv("NIC_MAX_PIXELS", " 1_000_000_000 ")
    assert unpack(data).header.height == 10_000


@pytest.mark.parametrize("text", ["many", "-1", "0", "1e9", "  ", "250,000,000", "9" * 5000, "\u0663"])
def test_a_pixel_limit_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("NIC_MAX_PIXELS", text)
    with pytest.raises(BadOption, match="NIC_MAX_PIXELS must be a whole number of pixels, such as 250000000, not '"):
        unpack(small_file())


@pytest.mark.parametrize("size", [(0, 3), (3, 0)])
def test_a_side_of_zero_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(DamagedFile, match="zero pixels"):
        unpack(pack(File(altered(width=size[0], height=size[1]), (b"",))))


def test_a_quality_out_of_range_is_refused() -> None:
    body = pack(File(PLAIN, (b"",)))[:-4]
    for number in (0, 99, 10_001, 65_535):
        with pytest.raises(DamagedFile, match="quality"):
            unpack(sealed(body.replace(struct.pack("<H", 5000), struct.pack("<H", number))))


def test_unit_lengths_must_add_up() -> None:
    body = pack(File(altered(tiling=Tiling(640, 480, 2)), (b"abc", b"defg")))[:-4]
    for lengths in (b"\x03\x05", b"\x03\x03", b"\x07\x01"):
        with pytest.raises(DamagedFile, match=r"add up to \d+ bytes, the file holds 7"):
            unpack(sealed(body.replace(b"\x03\x04abc", lengths + b"abc")))
    with pytest.raises(DamagedFile, match="zero size"):
        unpack(sealed(body.replace(b"\x80\x05\xe0\x03\x02", b"\x80\x05\xe0\x03\x00")))
    with pytest.raises(DamagedFile, match="307200 units"):  # without a list of that length
        unpack(sealed(body.replace(b"\x80\x05\xe0\x03\x02", b"\x01\x01\x01")))


def test_chunks_that_must_be_understood_are_and_others_are_skipped() -> None:
    assert unpack(pack(File(PLAIN, (b"x",), {"newS": b"12"}))).units == (b"x",)
    with pytest.raises(UnsupportedFile, match="'NewS'"):
        unpack(pack(File(PLAIN, (b"x",), {"NewS": b"12"})))


def test_chunks_have_a_type_and_come_once() -> None:
    body = pack(File(PLAIN, (b"x",), {"aaaa": b"", "bbbb": b""}))[:-4]
    for kind in (b"aaaa", b"bb\x1bb", b"b\xc3bb", b"b1bb"):
        with pytest.raises(DamagedFile, match="chunk of type"):
            unpack(sealed(body.replace(b"bbbb", kind)))


def test_an_unknown_coder_is_refused_and_a_spelled_one_passed_on() -> None:
    assert unpack(pack(File(altered(coder="mine"), (b"",)))).header.coder == "mine"
    body = pack(File(PLAIN, (b"",)))[:-4]
    with pytest.raises(UnsupportedFile, match="entropy coder number 77"):
        unpack(sealed(body.replace(b"mini\x01", b"mini\x4d")))


def test_names_are_plain_text() -> None:
    body = pack(File(PLAIN, (b"",)))[:-4]
    for name in (b"min\n", b"min\xe9", b"m\x1b[m"):
        with pytest.raises(DamagedFile, match="plain text"):
            unpack(sealed(body.replace(b"mini", name)))


def test_lengths_have_an_end() -> None:
    body = pack(File(altered(params=b"p"), (b"",)))[:-4]
    with pytest.raises(DamagedFile, match="too many digits"):
        unpack(sealed(body.replace(b"\x01p", b"\xff" * 9)))
    with pytest.raises(DamagedFile, match="bytes too early"):
        unpack(sealed(body.replace(b"\x01p", b"\xff\xff\xff\xff\x7f")))


def test_a_chunk_cannot_grow_without_end() -> None:
    small = container.compress_chunk(b"a" * 1000)
    assert container.expand_chunk(small) == b"a" * 1000
    for bad in (b"", b"junk", small[:-5], zlib.compress(bytes(container.LARGEST_CHUNK + 1), 9)):
        with pytest.raises(DamagedFile, match="metadata chunk"):
            container.expand_chunk(bad)
    with pytest.raises(BadPicture, match="--strip"):
        container.compress_chunk(bytes(container.LARGEST_CHUNK + 1))


@pytest.mark.parametrize(
    "file",
    [
        File(PLAIN, (b"a", b"b")),
        File(PLAIN, ()),
        File(altered(tiling=Tiling(320, 480)), (b"a",)),
        File(altered(quality=0.5), (b"a",)),
        File(altered(quality=float("nan")), (b"a",)),
        File(PLAIN, (b"a",), {"long-name": b""}),
    ],
)
def test_contradictions_are_not_written(file: File) -> None:
    with pytest.raises(ValueError, match=r"units|quality|letters"):
        pack(file)


def test_random_bytes_raise_nothing_else() -> None:
    rng = np.random.default_rng(0)
    whole = small_file()[:-4]
    read = 0
    for i in range(4000):
        if i % 2:  # behind the magic bytes and the version
            body = whole[:5] + bytes([rng.integers(128)]) + rng.bytes(int(rng.integers(60)))
        else:
            damaged = np.frombuffer(whole, np.uint8).copy()
            damaged[rng.integers(5, len(damaged), 3)] = rng.integers(0, 256, 3)
            body = damaged.tobytes()
        try:
            unpack(sealed(body))
            read += 1
        except NicError as error:
            assert str(error) and "\n" not in str(error)
    assert read  # some of them are files


def test_chunks_of_pictures_come_back() -> None:
    pixels, alpha = np.zeros((3, 4, 1), np.uint16), np.arange(12, dtype=np.uint16).reshape(3, 4)
    picture = Picture(pixels, alpha, b"icc" * 100, b"exif", b"<xmp/>")
    held = chunks.of_picture(picture)
    np.testing.assert_array_equal(chunks.alpha_of(File(altered(width=4, height=3, bit_depth=16), (b"",), held)), alpha)
    back = chunks.to_picture(pixels, alpha, held)
    assert (back.icc, back.exif, back.xmp) == (picture.icc, picture.exif, picture.xmp)
    assert chunks.of_picture(Picture(pixels)) == {}


def test_a_resolution_takes_few_bytes_and_none_where_exif_has_it() -> None:
    pixels = np.zeros((3, 4, 1), np.uint8)
    for dpi, size in (((300.0, 300.0), 4), ((299.9994, 72.0), 8)):
        found = chunks.of_picture(Picture(pixels, dpi=dpi))
        assert {kind: len(data) for kind, data in found.items()} == {"dpis": size}
        assert chunks.to_picture(pixels, None, found).dpi == pytest.approx(dpi, rel=1e-7)
    exif = metadata.exif_with_resolution(None, (300.0, 72.0))
    same = chunks.of_picture(Picture(pixels, exif=exif, dpi=(300.0, 72.0)))
    assert list(same) == ["exif"]
    assert chunks.to_picture(pixels, None, same).dpi == (300, 72)
    other = chunks.of_picture(Picture(pixels, exif=exif, dpi=(96.0, 96.0)))
    assert chunks.to_picture(pixels, None, other).dpi == (96, 96)


@pytest.mark.parametrize("data", [b"", bytes(3), bytes(4), bytes(8), b"\xff" * 4, struct.pack("<f", -72), bytes(12)])
def test_a_damaged_resolution(data: bytes) -> None:
    with pytest.raises(DamagedFile, match="resolution"):
        chunks.to_picture(np.zeros((3, 4, 3), np.uint8), None, {"dpis": data})


@pytest.mark.parametrize(
    "alpha",
    [
        b"",
        b"junk",
        image_files.encode(Picture(np.zeros((4, 3, 1), np.uint8)), "png"),  # another size
        image_files.encode(Picture(np.zeros((3, 4, 1), np.uint16)), "png"),  # another depth
        image_files.encode(Picture(np.zeros((3, 4, 3), np.uint8)), "png"),  # three channels
        image_files.encode(Picture(np.zeros((3, 4, 1), np.uint8)), "png")[:-20],
        image_files.encode(Picture(np.zeros((3, 4, 1), np.uint8)), "bmp"),
    ],
)
def test_alpha_must_fit(alpha: bytes) -> None:
    with pytest.raises(DamagedFile, match="alpha chunk"):
        chunks.alpha_of(File(altered(width=4, height=3), (b"",), {"alph": alpha}))


def test_alpha_is_not_unpacked_before_its_size_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nic_core.pictures.png.rows", lambda data: pytest.fail("unpacked"))
    small = image_files.encode(Picture(np.zeros((3, 4, 1), np.uint8)), "png")
    chunk = struct.pack(">4sIIBBBBB", b"IHDR", 60_000, 60_000, 8, 0, 0, 0, 0)
    huge = small[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + small[33:]
    early = small[:12] + b"abCD" + small[16:29] + struct.pack(">I", zlib.crc32(b"abCD" + small[16:29])) + huge[8:]
    with pytest.raises(DamagedFile, match="does not begin with its header"):
        chunks.alpha_of(File(altered(width=4, height=3), (b"",), {"alph": early}))
    with pytest.raises(DamagedFile, match="no PNG of 4 x 3 pixels"):
        chunks.alpha_of(File(altered(width=4, height=3), (b"",), {"alph": huge}))


def tiled_file() -> bytes:
    """Return a file of four tiles with checksums of each."""
    header = altered(width=5, height=3, coder="other", tiling=Tiling(4, 2))
    return pack(File(header, (b"aaaa", b"b", b"cc", b"dddddd"), {"zzzz": b"more"}, (1, 2, 3, 4)))


def test_checksums_of_tiles_come_back() -> None:
    file = unpack(tiled_file())
    assert (file.symbols, file.chunks) == ((1, 2, 3, 4), {"zzzz": b"more"})
    assert pack(file) == tiled_file()
    for symbols in ((1, 2, 3), (1, 2, 3, 4, 5)):
        with pytest.raises(ValueError, match="4 units cannot have checksums"):
            pack(File(file.header, file.units, {}, symbols))


def test_sound_units_of_a_damaged_file_are_told_apart() -> None:
    data, units = tiled_file(), unpack(tiled_file()).units
    start = len(data) - 4 - sum(map(len, units))
    for place in range(start, len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x40
        with pytest.raises(DamagedFile, match="its CRC"):
            unpack(bytes(damaged))
        saved = unpack(bytes(damaged), salvage=True).units
        lost = [number for number, unit in enumerate(saved) if unit != units[number]]
        assert len(lost) == (place < len(data) - 4)
        assert all(saved[number] == b"" for number in lost)
    for end in range(start, len(data)):
        saved = unpack(data[:end], salvage=True).units
        assert all(unit in (b"", units[number]) for number, unit in enumerate(saved))


def test_nothing_is_salvaged_where_the_header_is_damaged() -> None:
    data = tiled_file()
    start = data.index(b"sums")
    for place in range(start):
        damaged = bytearray(data)
        damaged[place] ^= 0x40
        with pytest.raises(NicError):
            unpack(bytes(damaged), salvage=True)
    for end in range(len(data) - 4 - 13):
        with pytest.raises(NicError):
            unpack(data[:end], salvage=True)
    with pytest.raises(DamagedFile, match="no tiles of which any could be salvaged"):
        unpack(small_file()[:-5] + b"hhhhh", salvage=True)
