"""compressai's range asymmetric numeral system (rANS) behind nic's entropy-coder protocol: reads files of before."""

import numpy as np
from nic_core.coding import Tables
from nic_core.errors import DamagedFile

from nic_nn.nets.compressai_parts import BufferedRansEncoder
from nic_nn.nets.compressai_parts import RansDecoder as CompressaiDecoder

LARGEST_SYMBOL = 1 << 26
"""compressai counts an escape's digits with 32-bit shifts, which overflow for larger integers."""


class RansEncoder:
    """Buffers (symbol, table) pairs; rANS writes them last to first, so nothing is coded before `finish`."""

    def __init__(self) -> None:
        self._encoder = BufferedRansEncoder()

    def push(self, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        """Append `symbols` under the rows `indexes`; ValueError beyond +-2**26."""
        _check_indexes(indexes, tables)
        # Not by abs(), which leaves -2**31 negative: that is what a float that is not finite becomes.
        if symbols.size and not -LARGEST_SYMBOL <= symbols.min() <= symbols.max() <= LARGEST_SYMBOL:
            raise ValueError(f"a symbol exceeds {LARGEST_SYMBOL}: the latent is not finite or far out of range")
        self._encoder.encode_with_indexes(symbols.tolist(), indexes.tolist(), *tables.as_lists)

    def finish(self) -> bytes:
        """Return the stream."""
        return self._encoder.flush()


class RansDecoder:
    """Decodes what `RansEncoder` wrote, and stays in bounds on anything else."""

    def __init__(self, data: bytes, max_symbols: int) -> None:
        self._decoder = CompressaiDecoder()
        self._decoder.set_stream(data + bytes(padding(len(data), max_symbols)))
        self._data, self._left = data, max_symbols
        self._pulled: list[tuple[np.ndarray, np.ndarray, Tables]] = []

    def pull(self, indexes: np.ndarray, tables: Tables) -> np.ndarray:
        """Return the next int32 symbols (K,)."""
        self._left -= indexes.size
        if self._left < 0:
            raise DamagedFile("the stream is asked for more symbols than the picture's size allows")
        _check_indexes(indexes, tables)
        symbols = np.asarray(self._decoder.decode_stream(indexes.tolist(), *tables.as_lists), dtype=np.int32)
        self._pulled.append((symbols, indexes, tables))
        return symbols

    def finish(self) -> None:
        """Code the symbols again, since compressai does not tell where it stands; DamagedFile for another stream."""
        encoder = RansEncoder()
        try:
            for group in self._pulled:
                encoder.push(*group)
            same = encoder.finish() == self._data
        except ValueError:  # a symbol that no encoder takes
            same = False
        if not same:
            raise DamagedFile("the entropy-coded stream does not end with its symbols: it is damaged")


def padding(length: int, max_symbols: int) -> int:
    """Return how many zeros behind a stream of `length` bytes keep compressai, which reads on, within bounds.

    A symbol takes at most one 4-byte word. The digits of an escape, whose number the stream itself spells in nibbles of
    at most 15, take at most 15 bytes for each byte of the stream, plus one word each once the zeros are reached. The
    rest is for escapes that the last 64 bits of state can still spell among the zeros.
    """
    return 16 * length + 8 * max_symbols + 1024


def _check_indexes(indexes: np.ndarray, tables: Tables) -> None:
    """Raise ValueError for rows that the tables do not have: compressai would read beyond them."""
    if indexes.size and not 0 <= indexes.min() <= indexes.max() < len(tables.length):
        raise ValueError(f"a table index is outside 0 to {len(tables.length) - 1}")


class Rans:
    """The coder named "rans" in files: 16-bit tables, 64-bit state, 32-bit words, escapes in 4-bit digits."""

    name = "rans"

    def encoder(self) -> RansEncoder:
        """Return a fresh encoder."""
        return RansEncoder()

    def decoder(self, data: bytes, max_symbols: int) -> RansDecoder:
        """Return a decoder of `data`."""
        return RansDecoder(data, max_symbols)
