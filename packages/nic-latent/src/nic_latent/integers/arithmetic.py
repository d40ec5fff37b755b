"""The few operations on whole numbers that everything else is made of (docs/determinism.md, "Numbers")."""

import numpy as np

INT32 = (1 << 31) - 1
"""Values are saturated to +-INT32: -2**31 is none of them, so that negation and absolute values stay in range."""


def rounded_shift(values: np.ndarray, bits: int | np.ndarray) -> np.ndarray:
    """Return floor((values + half) / 2**bits) of int64 values, half being 2**(bits - 1), or 0 for no bits.

    bits: 0 to 62, one number or one for each entry of the last axis.
    """
    bits = np.asarray(bits, np.int64)
    half = np.where(bits > 0, np.int64(1) << np.maximum(bits - 1, 0), 0)
    return (values + half) >> bits


def saturated(values: np.ndarray, largest: int = INT32) -> np.ndarray:
    """Return int64 values as int32, those beyond +-largest as +-largest."""
    return np.clip(values, -largest, largest).astype(np.int32)


def aligned(values: np.ndarray, bits: int) -> np.ndarray:
    """Return int32 values as int64 for a grid that is 2**bits times coarser, or finer where bits is negative.

    bits: -31 to 62; below zero the shift is exact.
    """
    wide = values.astype(np.int64)
    return rounded_shift(wide, bits) if bits >= 0 else wide << -bits


def rescaled(values: np.ndarray, bits: int) -> np.ndarray:
    """Return `aligned` values, saturated."""
    return saturated(aligned(values, bits))


def narrowed(values: np.ndarray, bits: int, largest: int) -> np.ndarray:
    """Return int32 values rounded by `bits` and limited to +-largest, as int64."""
    return np.clip(rounded_shift(values.astype(np.int64), bits), -largest, largest)


def divided(values: np.ndarray, by: np.ndarray | int) -> np.ndarray:
    """Return floor((values + floor(by / 2)) / by) of int64 values, `by` above 0: the nearest, halves upwards."""
    by = np.asarray(by, np.int64)
    return (values + (by >> 1)) // by


def bit_length(values: np.ndarray) -> np.ndarray:
    """Return the number of bits of int64 values above 0, as `int.bit_length`."""
    bits = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    # Where float64 had to round, it may have rounded up to the next power of two.
    return bits - (values >> (bits - 1) == 0)


def square_root(values: np.ndarray) -> np.ndarray:
    """Return floor(sqrt(values)) of int64 values from 0 to 2**62."""
    root = np.sqrt(values.astype(np.float64)).astype(np.int64)  # off by one at most
    root -= root * root > values
    return root + ((root + 1) * (root + 1) <= values)


def normal_root(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return r and z of int64 values v, 1 to 2**62 - 1: square roots of 31 bits whatever the size of v.

    z, 0 to 30, is such that 2**60 <= v * 4**z < 2**62, and r = floor(sqrt(v * 4**z)), from 2**30 to 2**31 - 1.
    """
    z = (62 - bit_length(values)) >> 1
    return square_root(values << (2 * z)), z


def reciprocal(root: np.ndarray) -> np.ndarray:
    """Return 2**61 / r, rounded, of r from 2**30 to 2**31 - 1; it lies between 2**30 and 2**31."""
    return divided(np.full_like(root, 1 << 61), root)
