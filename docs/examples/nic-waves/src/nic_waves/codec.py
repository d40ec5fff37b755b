"""The codec: predict, code what is missing; decode it, predict again, add.

Both directions walk the same antidiagonals and ask the same `Samples` what they expect. The encoder has one thing more
to do: it looks at the whole picture first, and says in the file's own block for each level of activity which table fits
it. That is half a byte for each of the eleven levels.
"""

import zlib
from typing import Any

import numpy as np
from nic_core import progress
from nic_core.codec import Coded, Decoded, PixelCodec
from nic_core.coding import Interleaved
from nic_core.errors import DamagedFile
from nic_core.format.container import Header

from nic_waves.colours import joined, separated
from nic_waves.prediction import LEVELS, Samples
from nic_waves.tables import EVEN, MEANS, tables
from nic_waves.waves import Wave, waves


class Waves(PixelCodec):
    """See the module."""

    def compress(self, pixels: np.ndarray, quality: float | None, options: dict[str, Any]) -> Coded:
        """See `PixelCodec.compress`."""
        height, width, channels = pixels.shape
        bits = 8 * pixels.itemsize
        values, samples = separated(pixels, bits), Samples(channels, height, width, bits)
        samples.known[:, 1:, 1:] = values
        rows = fitting(values, samples)
        encoder, checksum = Interleaved().encoder(), 0
        for wave in progress.track(waves(height, width), "encoding", height + width - 1):
            predicted, levels = samples.expected(wave)
            for symbols, indexes in parts(wrapped(at(values, wave) - predicted, bits), rows[levels], bits):
                encoder.push(symbols, indexes, tables())
                checksum = zlib.crc32(symbols.astype("<i4").tobytes(), checksum)
        return Coded((encoder.finish(),), checksum, Interleaved.name, packed(rows))

    def decompress(self, units: tuple[bytes, ...], header: Header, options: dict[str, Any]) -> Decoded:
        """See `PixelCodec.decompress`."""
        height, width, channels, bits = header.height, header.width, header.channels, header.bit_depth
        if header.coder != Interleaved.name or len(units) != 1:
            raise DamagedFile("the file is of another codec's making: waves writes one unit, by the coder interleaved")
        rows, samples = unpacked(header.params), Samples(channels, height, width, bits)
        decoder, checksum = Interleaved().decoder(units[0], height * width * channels * (bits // 8)), 0
        for wave in progress.track(waves(height, width), "decoding", height + width - 1):
            predicted, levels = samples.expected(wave)
            residual = np.zeros(predicted.size, np.int32)
            for shift, indexes in shifts(rows[levels], bits):
                symbols = decoder.pull(indexes, tables())
                residual += symbols << shift
                checksum = zlib.crc32(symbols.astype("<i4").tobytes(), checksum)
            samples.put(wave, (predicted + residual.reshape(predicted.shape)) & ((1 << bits) - 1))
        decoder.finish()
        return Decoded(joined(samples.known[:, 1:, 1:], bits), checksum)  # core compares it with the file's


def at(values: np.ndarray, wave: Wave) -> np.ndarray:
    """Return the values (C, K) of an antidiagonal."""
    rows, columns = wave
    return values[:, rows, columns]


def wrapped(residual: np.ndarray, bits: int) -> np.ndarray:
    """Return residuals as the decoder may take them, modulo 2^bits: those nearest to zero."""
    half = 1 << (bits - 1)
    return ((residual + half) & ((1 << bits) - 1)) - half


def shifts(rows: np.ndarray, bits: int) -> list[tuple[int, np.ndarray]]:
    """Return in which pieces residuals are coded: how far each is shifted, and under which rows of the tables.

    Of 16 bits the upper eight are predictable, as those of an 8-bit picture are; the lower eight are noise.
    """
    indexes = rows.reshape(-1)
    return [(0, indexes)] if bits == 8 else [(8, indexes), (0, np.full_like(indexes, EVEN))]


def parts(residual: np.ndarray, rows: np.ndarray, bits: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the symbols of residuals, with the rows that they are coded under."""
    found, left = [], residual.reshape(-1).astype(np.int32)
    for shift, indexes in shifts(rows, bits):
        symbols = left >> shift
        left = left - (symbols << shift)
        found.append((symbols, indexes))
    return found


def fitting(values: np.ndarray, samples: Samples) -> np.ndarray:
    """Return the row of the tables (LEVELS,) that fits the residuals at each level of activity best."""
    height, width = values.shape[1:]
    everywhere = np.indices((height, width)).reshape(2, -1)
    predicted, levels = samples.expected((everywhere[0], everywhere[1]))
    residual = np.abs(wrapped(values.reshape(len(values), -1) - predicted, samples.bits) >> (samples.bits - 8))
    counts = np.bincount(levels.reshape(-1), minlength=LEVELS)
    sums = np.bincount(levels.reshape(-1), residual.reshape(-1), LEVELS)
    quarters = 4 * sums / np.maximum(counts, 1)
    return np.abs(np.log(np.array(MEANS) / np.maximum(quarters, 0.5)[:, None])).argmin(1).astype(np.int32)


def packed(rows: np.ndarray) -> bytes:
    """Return the rows of all levels, two in a byte."""
    nibbles = np.append(rows, 0)[: LEVELS + LEVELS % 2]
    return (nibbles[::2] << 4 | nibbles[1::2]).astype(np.uint8).tobytes()


def unpacked(params: bytes) -> np.ndarray:
    """Return what `packed` packed; DamagedFile for anything else."""
    if len(params) != (LEVELS + 1) // 2 or (LEVELS % 2 and params[-1] & 0xF):
        raise DamagedFile("the file does not say which tables it is coded with")
    both = np.frombuffer(params, np.uint8)
    return np.stack([both >> 4, both & 0xF], 1).reshape(-1)[:LEVELS].astype(np.int32)
