"""The entropy coder: there and back, and bounded on anything else."""

import zlib

import numpy as np
import pytest
from nic_core.coding import Tables
from nic_core.errors import DamagedFile
from nic_nn.entropy.rans import LARGEST_SYMBOL, Rans, padding


def random_tables(rng: np.random.Generator, rows: int) -> Tables:
    """Return tables of 2 to 40 intervals with offsets around zero; every third escapes often."""
    length = rng.integers(3, 42, rows)
    cdf = np.zeros((rows, 41), np.int32)
    for row, n in zip(cdf, length, strict=True):
        inner = 1 + rng.choice(65534, n - 2, replace=False)
        row[1 : n - 1] = np.sort(inner)
        row[n - 1] = 65536
    cdf[::3, 1:] = np.where(np.arange(1, 41) < length[::3, None] - 1, np.arange(1, 41), cdf[::3, 1:])
    return Tables(cdf, length, rng.integers(-20, 3, rows))


@pytest.mark.parametrize("seed", range(5))
def test_symbols_come_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    encoder = Rans().encoder()
    pushed = []
    for spread in (0, 3, 100, 10**5, LARGEST_SYMBOL):
        tables = random_tables(rng, 9)
        for count in (0, 1, 257):
            indexes = rng.integers(0, 9, count).astype(np.int32)
            symbols = rng.integers(-spread, spread + 1, count).astype(np.int32)
            encoder.push(symbols, indexes, tables)
            pushed.append((symbols, indexes, tables))
    data = encoder.finish()
    assert isinstance(data, bytes)
    decoder = Rans().decoder(data, sum(len(symbols) for symbols, *_ in pushed))
    for symbols, indexes, tables in pushed:
        pulled = decoder.pull(indexes, tables)
        assert pulled.dtype == np.int32
        np.testing.assert_array_equal(pulled, symbols)


def test_the_largest_symbols_come_back() -> None:
    tables = Tables([[0, 30000, 60000, 65536]], [4], [-1])
    symbols = np.array([LARGEST_SYMBOL, -LARGEST_SYMBOL, 0, -1, 1, -2, 15, 16, 255, -(2**20)], np.int32)
    indexes = np.zeros_like(symbols)
    encoder = Rans().encoder()
    encoder.push(symbols, indexes, tables)
    np.testing.assert_array_equal(Rans().decoder(encoder.finish(), 10).pull(indexes, tables), symbols)


@pytest.mark.parametrize("symbol", [LARGEST_SYMBOL + 1, -LARGEST_SYMBOL - 1, 2**31 - 1, -(2**31)])
def test_larger_symbols_are_refused(symbol: int) -> None:
    tables = Tables([[0, 30000, 65536]], [3], [0])
    with pytest.raises(ValueError, match="a symbol exceeds"):
        Rans().encoder().push(np.array([0, symbol], np.int32), np.zeros(2, np.int32), tables)


@pytest.mark.parametrize("index", [-1, 1, 2**31 - 1, -(2**31)])
def test_rows_that_do_not_exist_are_refused(index: int) -> None:
    tables = Tables([[0, 30000, 65536]], [3], [0])
    indexes = np.array([0, index], np.int32)
    with pytest.raises(ValueError, match="a table index is outside 0 to 0"):
        Rans().encoder().push(np.zeros(2, np.int32), indexes, tables)
    with pytest.raises(ValueError, match="a table index is outside 0 to 0"):
        Rans().decoder(b"", 2).pull(indexes, tables)


def test_the_rate_is_that_of_the_tables() -> None:
    rng = np.random.default_rng(0)
    probabilities = np.array([0.9, 0.08, 0.02 - 2**-16, 2**-16])
    tables = Tables([[0, *np.round(probabilities.cumsum() * 65536).astype(int)]], [5], [0])
    symbols = rng.choice(3, 20_000, p=probabilities[:3] / probabilities[:3].sum()).astype(np.int32)
    encoder = Rans().encoder()
    encoder.push(symbols, np.zeros_like(symbols), tables)
    bits = -np.log2(probabilities[symbols]).sum()
    assert abs(8 * len(encoder.finish()) - bits) < 0.001 * bits + 64


def test_streams_never_change() -> None:
    tables = Tables([[0, 30000, 60000, 65536], [0, 1, 2, 65536]], [4, 4], [-1, 0])
    encoder = Rans().encoder()
    symbols = np.array([0, -1, 1, 5, -700, 0, 3], np.int32)
    encoder.push(symbols, np.array([0, 0, 0, 0, 1, 1, 1], np.int32), tables)
    assert encoder.finish().hex() == "c0e6f82ca396e61405003022"


def test_no_more_symbols_than_agreed() -> None:
    tables = Tables([[0, 30000, 65536]], [3], [0])
    decoder = Rans().decoder(bytes(8), 5)
    decoder.pull(np.zeros(3, np.int32), tables)
    with pytest.raises(DamagedFile, match="more symbols than the picture's size allows"):
        decoder.pull(np.zeros(3, np.int32), tables)


def streams() -> list[bytes]:
    """Return streams that no encoder wrote, and one that it did, cut at every length."""
    rng = np.random.default_rng(3)
    encoder = Rans().encoder()
    encoder.push(rng.integers(-90, 90, 60).astype(np.int32), np.zeros(60, np.int32), random_tables(rng, 1))
    whole = encoder.finish()
    return [
        *(whole[:n] for n in range(len(whole))),
        *(rng.bytes(int(n)) for n in rng.integers(0, 300, 60)),
        *(bytes([value]) * n for value in (0, 1, 15, 127, 128, 255) for n in (0, 1, 3, 4, 7, 8, 9, 64, 4000)),
        b"\x0f\0\0\0" * 1000,  # one digit of an escape's length in each word
        b"\xff\xff\0\0" * 1000,
        bytes(4) + b"\xff" * 4000,
    ]


def by_the_book(data: bytes, indexes: np.ndarray, tables: Tables) -> tuple[list[int], int]:
    """Decode as docs/format.md describes it, zeros behind the end; return symbols and how many bytes were read."""
    words = np.frombuffer(data + bytes(-len(data) % 4), "<u4").tolist()
    state, position = 0, 0

    def next_word() -> int:
        nonlocal position
        position += 1
        return words[position - 1] if position <= len(words) else 0

    def remove(bits: int, rest: int) -> int:
        nonlocal state
        low = state & ((1 << bits) - 1)
        state = rest if rest >= 1 << 31 else (rest << 32 | next_word()) & (1 << 64) - 1
        return low

    state = next_word() | next_word() << 32
    symbols = []
    for index in indexes.tolist():
        row, last = tables.as_lists[0][index], tables.as_lists[1][index] - 2
        low = state & 65535
        interval = next(i for i, end in enumerate(row[1:]) if end > low)
        remove(16, (row[interval + 1] - row[interval]) * (state >> 16) + low - row[interval])
        value = interval
        if interval == last:
            count = digit = remove(4, state >> 4)
            while digit == 15:
                digit = remove(4, state >> 4)
                count += digit
            raw = sum(remove(4, state >> 4) << (4 * i if i < 8 else 0) for i in range(count))
            value = -(raw >> 1) - 1 if raw & 1 else (raw >> 1) + last
        symbols.append(value + tables.as_lists[2][index])
    return symbols, 4 * position


def test_streams_are_as_specified() -> None:
    rng = np.random.default_rng(6)
    tables, encoder = random_tables(rng, 9), Rans().encoder()
    indexes = rng.integers(0, 9, 900).astype(np.int32)
    symbols = (rng.integers(-9, 10, 900) ** rng.integers(1, 9, 900)).clip(-LARGEST_SYMBOL, LARGEST_SYMBOL)
    encoder.push(symbols.astype(np.int32), indexes, tables)
    data = encoder.finish()
    assert by_the_book(data, indexes, tables) == (symbols.tolist(), len(data))


def test_any_stream_gives_symbols_and_is_not_left() -> None:
    tables = random_tables(np.random.default_rng(4), 30)
    indexes = np.tile(np.arange(30, dtype=np.int32), 20)
    for data in streams():
        pulled = [Rans().decoder(data, indexes.size).pull(indexes, tables) for _ in range(2)]
        assert pulled[0].shape == indexes.shape
        # What lies beyond the stream's memory would differ from one time to the next.
        assert zlib.crc32(pulled[0].tobytes()) == zlib.crc32(pulled[1].tobytes())
        _, bytes_read = by_the_book(data, indexes, tables)
        assert bytes_read <= len(data) + padding(len(data), indexes.size)
