"""Roots, divisions and shifts against Python's integers."""

import math

import numpy as np
import pytest
from nic_latent.integers.arithmetic import (
    bit_length,
    divided,
    narrowed,
    normal_root,
    reciprocal,
    rounded_shift,
    square_root,
)


def edges() -> np.ndarray:
    """Return numbers around squares and powers of two, and random ones of every size, all below 2**62."""
    random = np.random.default_rng(0)
    found = {1, 2, 3}
    for bits in range(2, 62):
        root = math.isqrt(1 << bits)
        found |= {(1 << bits) - 1, 1 << bits, root * root, root * root + 2 * root, (root + 1) ** 2}
        found |= {int(value) for value in random.integers(1 << bits - 1, 1 << bits, 50)}
    found |= {(2**31 - 1) ** 2 - 1, (2**31 - 1) ** 2, 2**62 - 1}
    return np.array(sorted(value for value in found if value < 1 << 62), np.int64)


def test_bits_and_roots():
    values = edges()
    assert bit_length(values).tolist() == [value.bit_length() for value in values.tolist()]
    assert square_root(values).tolist() == [math.isqrt(value) for value in values.tolist()]
    assert square_root(np.array([0, 1 << 62])).tolist() == [0, 1 << 31]


def test_normal_roots_have_31_bits_and_reciprocals_fit():
    values = edges()
    root, z = normal_root(values)
    for value, r, bits, inverse in zip(
        values.tolist(), root.tolist(), z.tolist(), reciprocal(root).tolist(), strict=True
    ):
        assert 1 << 60 <= value << 2 * bits < 1 << 62
        assert r == math.isqrt(value << 2 * bits) and 1 << 30 <= r < 1 << 31
        assert inverse == (2**61 + r // 2) // r and 1 << 30 <= inverse <= 1 << 31


def test_division_rounds_to_the_nearest():
    random = np.random.default_rng(0)
    values = np.concatenate([random.integers(-(1 << 61), 1 << 61, 500), np.arange(-20, 20)])
    for by in (1, 2, 3, 4, 7, 1000, (1 << 31) - 1, 1 << 40):
        assert divided(values, by).tolist() == [(value + by // 2) // by for value in values.tolist()]
    assert divided(np.array([-3, -1, 1, 3]), 2).tolist() == [-1, 0, 1, 2]


@pytest.mark.parametrize("bits", [0, 1, 5, 31])
def test_narrowing(bits):
    values = np.array([-(2**31) + 1, -5, -1, 0, 1, 2, 3, 16, 2**31 - 1], np.int32)
    half = (1 << bits) >> 1
    expected = [min(max((value + half) >> bits, -99), 99) for value in values.tolist()]
    assert narrowed(values, bits, 99).tolist() == expected
    assert rounded_shift(np.array([-(1 << 61)]), 62).tolist() == [0]
