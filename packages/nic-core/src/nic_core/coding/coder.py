"""The entropy-coder contract: integers against integer tables, no floats anywhere.

A coder is incremental, because context models learn the table of the next symbols only from the symbols before them.
Encoding pushes groups of symbols in the order in which the decoder pulls them; one encoder and one decoder serve one
picture. Coders carry a name that the file records, so a faster one can be added while old files keep decoding.
"""

from typing import Protocol

import numpy as np

from nic_core.coding.tables import Tables


class EntropyEncoder(Protocol):
    """Collects the symbols of one picture."""

    def push(self, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        """Append int32 `symbols` (K,), each coded with the table row that `indexes` (K,) names."""

    def finish(self) -> bytes:
        """Return the stream. The encoder is spent afterwards."""


class EntropyDecoder(Protocol):
    """Returns the symbols of one stream in the order in which they were pushed."""

    def pull(self, indexes: np.ndarray, tables: Tables) -> np.ndarray:
        """Return the next int32 symbols (K,), one for each entry of `indexes` (K,).

        Stays within the stream's memory whatever the stream holds; raises `nic_core.errors.DamagedFile` where it finds
        that no encoder wrote the stream, or when more symbols are asked for than the decoder was made for.
        """

    def finish(self) -> None:
        """Say that all symbols are pulled: DamagedFile where the coder sees that the stream should not end here."""


class EntropyCoder(Protocol):
    """A named pair of encoder and decoder."""

    name: str

    def encoder(self) -> EntropyEncoder:
        """Return a fresh encoder."""

    def decoder(self, data: bytes, max_symbols: int) -> EntropyDecoder:
        """Return a decoder of `data` from which at most `max_symbols` symbols will be pulled."""
