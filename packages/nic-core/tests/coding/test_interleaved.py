"""The interleaved coder: there and back, as specified, at the tables' rate, and errors on anything else."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nic_core.coding import Interleaved, Tables, choice
from nic_core.coding.interleaved import WORTH
from nic_core.coding.pure import PureKernels
from nic_core.errors import DamagedFile

INT32 = np.iinfo(np.int32)
NARROW = Tables([[0, 30000, 60000, 65536], [0, 1, 2, 65536]], [4, 4], [-1, 0])
COIN = Tables([[0, 32768, 65535, 65536]], [4], [0])
"""A bit each for 0 and 1."""

coders = pytest.mark.parametrize(
    "coder",
    [
        pytest.param(Interleaved(PureKernels()), id="pure"),
        pytest.param(
            Interleaved(),
            id="compiled",
            marks=pytest.mark.skipif(isinstance(choice.kernels(), PureKernels), reason="nic-native has no library"),
        ),
    ],
)

Group = tuple[np.ndarray, np.ndarray, Tables]


def random_tables(rng: np.random.Generator, rows: int, widest: int = 40) -> Tables:
    """Return tables of 2 to `widest` intervals with offsets around zero; every third escapes often."""
    length = rng.integers(3, widest + 2, rows)
    cdf = np.zeros((rows, widest + 1), np.int32)
    for place, (row, n) in enumerate(zip(cdf, length, strict=True)):
        inner = np.arange(1, n - 1) if place % 3 == 0 else np.sort(1 + rng.choice(65534, n - 2, replace=False))
        row[1:n] = [*inner, 65536]
    return Tables(cdf, length, rng.integers(-20, 3, rows))


def likely(rng: np.random.Generator, tables: Tables, indexes: np.ndarray) -> np.ndarray:
    """Return symbols as their tables expect them; escapes lie around the table's end."""
    low = rng.integers(0, 65536, indexes.size)
    places = [np.searchsorted(tables.rows[i], value, "right") - 1 for i, value in zip(indexes, low, strict=True)]
    return (tables.offset[indexes] + np.array(places, int)).astype(np.int32)


def random_groups(rng: np.random.Generator, sizes: list[int], spread: int = 0) -> list[Group]:
    """Return groups of symbols; `spread` moves them away from what the tables expect."""
    groups = []
    for size in sizes:
        tables = random_tables(rng, int(rng.integers(1, 9)), int(rng.choice([2, 7, 40, 900])))
        indexes = rng.integers(0, len(tables.length), size).astype(np.int32)
        moved = likely(rng, tables, indexes) + rng.integers(-spread, spread + 1, size)
        groups.append((moved.clip(INT32.min, INT32.max).astype(np.int32), indexes, tables))
    return groups


def encoded(coder: Interleaved, groups: list[Group]) -> bytes:
    encoder = coder.encoder()
    for group in groups:
        encoder.push(*group)
    return encoder.finish()


def assert_decodes(coder: Interleaved, data: bytes, groups: list[Group]) -> None:
    decoder = coder.decoder(data, sum(len(symbols) for symbols, *_ in groups))
    for symbols, indexes, tables in groups:
        pulled = decoder.pull(indexes, tables)
        assert pulled.dtype == np.int32
        np.testing.assert_array_equal(pulled, symbols)
    decoder.finish()


def ideal_bits(groups: list[Group]) -> float:
    """Return the sum of -log2 p, and 8 for each byte of an escape, as the tables have it."""
    bits = 0.0
    for symbols, indexes, tables in groups:
        for symbol, index in zip(symbols.tolist(), indexes.tolist(), strict=True):
            row, offset = tables.as_lists[0][index], tables.as_lists[2][index]
            last, place = len(row) - 2, symbol - offset
            if not 0 <= place < last:
                zigzag = 2 * (place - last) if place >= last else -2 * place - 1
                bits += 8 * max(1, -(-zigzag.bit_length() // 7))
                place = last
            bits += 16 - np.log2(row[place + 1] - row[place])
    return bits


def within_bound(data: bytes, bits: float) -> bool:
    return 8 * len(data) <= 1.001 * bits + 64


def by_the_book(data: bytes, groups: list[Group]) -> list[list[int]]:
    """Decode a stream as docs/format.md describes it."""
    forward, backward = iter(data), iter(reversed(data))
    read = [0, 0]

    def byte(stream, side):
        read[side] += 1
        return next(stream)

    def leb(stream, side):
        number = shift = 0
        while True:
            value = byte(stream, side)
            number |= (value & 127) << shift
            shift += 7
            if value < 128:
                return number

    def word():
        return sum(byte(forward, 0) << 8 * i for i in range(4))

    first = leb(forward, 0)
    n = 2 ** (first % 4)
    state = [first // 4, *(leb(forward, 0) for _ in range(n - 1))]
    state = [high * 2**32 + word() for high in state]
    out, count = [], 0
    for _, indexes, tables in groups:
        out.append([])
        for index in indexes.tolist():
            c, offset, j = tables.as_lists[0][index], tables.as_lists[2][index], count % n
            low = state[j] % 65536
            i = next(i for i, (start, end) in enumerate(pairwise(c)) if start <= low < end)
            state[j] = (c[i + 1] - c[i]) * (state[j] // 65536) + low - c[i]
            if state[j] < 2**31:
                state[j] = state[j] * 2**32 + word()
            symbol = offset + i
            if i == len(c) - 2:
                raw = leb(backward, 1)
                symbol = offset - 1 - raw // 2 if raw % 2 else symbol + raw // 2
            out[-1].append(symbol)
            count += 1
    assert sum(read) == len(data)
    assert set(state) == {2**31}
    return out


@coders
@pytest.mark.parametrize("seed", range(16))
def test_symbols_come_back(coder: Interleaved, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.choice([0, 1, 2, 3, 7, 8, 9, 257, 3000], rng.integers(1, 7)).tolist()
    groups = random_groups(rng, sizes, int(rng.choice([0, 3, 1000, 2**31])))
    data = encoded(coder, groups)
    assert data == encoded(Interleaved(PureKernels()), groups)
    assert_decodes(coder, data, groups)
    assert by_the_book(data, groups) == [symbols.tolist() for symbols, *_ in groups]


@coders
@pytest.mark.parametrize("exponent", range(4))
def test_sizes_around_the_number_of_states(coder: Interleaved, exponent: int) -> None:
    rng = np.random.default_rng(exponent)
    worth, states = WORTH[exponent], 1 << exponent
    for size in (0, 1, 2, states - 1, states, states + 1, max(0, worth - 1), worth, worth + 1, worth + states - 1):
        groups = [(rng.integers(0, 2, size).astype(np.int32), np.zeros(size, np.int32), COIN)]
        data = encoded(coder, groups)
        assert_decodes(coder, data, groups)
        assert within_bound(data, ideal_bits(groups))
        assert data[0] & 3 == sum(size >= bits for bits in WORTH[1:])


@coders
def test_a_stream_does_not_depend_on_how_it_is_pushed(coder: Interleaved) -> None:
    rng = np.random.default_rng(5)
    [(symbols, indexes, tables)] = random_groups(rng, [60_000], 3)
    whole = encoded(coder, [(symbols, indexes, tables)])
    assert whole[0] & 3 == 3
    for _ in range(5):
        cuts = np.sort(rng.integers(0, symbols.size, 9))
        pieces = zip(np.split(symbols, cuts), np.split(indexes, cuts), strict=True)
        groups = [(*piece, tables) for piece in pieces]
        assert encoded(coder, groups) == whole
        assert_decodes(coder, whole, groups)


@coders
def test_any_int32_comes_back(coder: Interleaved) -> None:
    edges = [INT32.min, INT32.min + 1, INT32.max - 1, INT32.max]
    near = [sign * (1 << shift) + step for sign in (1, -1) for shift in range(31) for step in (-1, 0, 1)]
    symbols = np.array([*edges, *near, -2, -1, 0, 1, 2], np.int32)
    for offset in (-(1 << 24), -1, 0, 1 << 24):
        tables = Tables([[0, 30000, 60000, 65536]], [4], [offset])
        groups = [(symbols, np.zeros_like(symbols), tables)]
        assert_decodes(coder, encoded(coder, groups), groups)


@coders
@pytest.mark.parametrize("size", [0, 1, 2, 5, 20, 100, 700, 4000, 30_000, 200_000])
@pytest.mark.parametrize("likeliest", [65534, 65000, 50000, 30000, 700])
def test_the_rate_is_that_of_the_tables(coder: Interleaved, size: int, likeliest: int) -> None:
    rng = np.random.default_rng(size + likeliest)
    row = np.unique([0, *np.linspace(likeliest, 65535, 90).astype(int), 65536])
    tables = Tables(row[None], [len(row)], [-3])
    indexes = np.zeros(size, np.int32)
    groups = [(likely(rng, tables, indexes), indexes, tables)]
    assert within_bound(encoded(coder, groups), ideal_bits(groups))


@coders
def test_streams_never_change(coder: Interleaved) -> None:
    symbols = np.array([0, -1, 1, 5, -700, 0, 3], np.int32)
    indexes = np.array([0, 0, 0, 0, 1, 1, 1], np.int32)
    assert encoded(coder, []).hex() == "0000000080"
    assert encoded(coder, [(symbols, indexes, NARROW)]).hex() == "a8cbe62932b9c329020af70800"


@coders
@pytest.mark.parametrize("index", [-1, 2, INT32.max, INT32.min])
def test_rows_that_do_not_exist_are_refused(coder: Interleaved, index: int) -> None:
    indexes = np.array([0, index, 0], np.int32)
    with pytest.raises(ValueError, match="a table index is outside 0 to 1"):
        coder.encoder().push(np.zeros(3, np.int32), indexes, NARROW)
    data = encoded(coder, [(np.zeros(3, np.int32), np.zeros(3, np.int32), NARROW)])
    with pytest.raises(ValueError, match="a table index is outside 0 to 1"):
        coder.decoder(data, 3).pull(indexes, NARROW)


def test_other_arrays_are_refused() -> None:
    zeros = np.zeros(3, np.int32)
    for symbols, indexes in ((zeros.astype(float), zeros), (zeros, zeros.astype(np.int64)), (zeros[None], zeros[None])):
        with pytest.raises(ValueError, match="are int32 of one dimension"):
            Interleaved().encoder().push(symbols, indexes, NARROW)
    with pytest.raises(ValueError, match="3 symbols cannot have 2 table indexes"):
        Interleaved().encoder().push(zeros, zeros[:2], NARROW)


@coders
def test_no_more_symbols_than_agreed(coder: Interleaved) -> None:
    decoder = coder.decoder(encoded(coder, random_groups(np.random.default_rng(0), [9])), 5)
    decoder.pull(np.zeros(3, np.int32), COIN)
    with pytest.raises(DamagedFile, match="more symbols than the picture's size allows"):
        decoder.pull(np.zeros(3, np.int32), COIN)


def outcome(coder: Interleaved, data: bytes, groups: list[Group]) -> list[list[int]] | str:
    """Return the symbols that a stream gives, or how it is refused."""
    try:
        decoder = coder.decoder(data, sum(indexes.size for _, indexes, _ in groups))
        symbols = [decoder.pull(indexes, tables).tolist() for _, indexes, tables in groups]
        decoder.finish()
    except DamagedFile as error:
        return str(error)
    return symbols


@coders
@pytest.mark.parametrize("size", [60, 9000])
def test_streams_that_are_cut_or_longer_are_refused(coder: Interleaved, size: int) -> None:
    groups = random_groups(np.random.default_rng(size), [size, size // 2], 3)
    whole = encoded(coder, groups)
    for length in {*range(60), *range(0, len(whole), 1 + len(whole) // 60), *range(len(whole) - 9, len(whole))}:
        assert isinstance(outcome(coder, whole[:length], groups), str)
    for more in (b"\0", bytes(4), b"\xff" * 8):
        assert isinstance(outcome(coder, whole + more, groups), str)
        assert isinstance(outcome(coder, more + whole, groups), str)
    assert isinstance(outcome(coder, whole, groups[:1]), str)


@coders
@pytest.mark.parametrize("seed", range(24))
def test_any_stream_gives_symbols_or_is_refused(coder: Interleaved, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = random_groups(rng, [50, 0, 900], 2)
    whole = bytearray(encoded(coder, groups))
    streams = [rng.bytes(int(rng.integers(0, 5000))), bytes(rng.integers(0, 3000)), b"\xff" * 3000]
    for _ in range(5):
        changed = whole.copy()
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            changed[place] ^= 1 << int(rng.integers(8))
        streams.append(bytes(changed))
    # Headers that are sound, with anything behind them.
    for exponent in range(4):
        begin = bytes([exponent, *[0] * (2**exponent - 1)]) + b"\0\0\0\x80" * 2**exponent
        streams.append(begin + rng.bytes(999))
    for data in streams:
        found = outcome(coder, data, groups)
        assert found == outcome(Interleaved(PureKernels()), data, groups)
        assert isinstance(found, str) or data != bytes(whole)


@coders
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(data=st.binary(max_size=200), seed=st.integers(0, 9), sound=st.booleans())
def test_any_bytes_give_symbols_or_are_refused(coder: Interleaved, data: bytes, seed: int, sound: bool) -> None:
    if sound:  # a beginning that is one
        data = b"\1\0" + b"\0\0\0\x80" * 2 + data
    groups = random_groups(np.random.default_rng(seed), [7, 0, 40], 2)
    assert outcome(coder, data, groups) == outcome(Interleaved(PureKernels()), data, groups)
