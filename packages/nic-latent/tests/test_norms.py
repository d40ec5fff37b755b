"""Norms, pooling and GDN against Python's integers."""

import math

import numpy as np
import pytest
from nic_latent.integers.arithmetic import INT32
from nic_latent.integers.layers import Gdn, InverseGdn, Norm, Pool


def shifted(value: int, bits: int) -> int:
    return (value + ((1 << bits) >> 1)) >> bits


def limited(value: int, largest: int = INT32) -> int:
    return min(max(value, -largest), largest)


def root_of(value: int) -> tuple[int, int]:
    """Return the root of 31 bits, and z."""
    z = 0
    while value << 2 * (z + 1) < 1 << 62:
        z += 1
    return math.isqrt(value << 2 * z), z


def random(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return int32 values of a size that differs from position to position, with extremes."""
    generator = np.random.default_rng(seed)
    values = generator.integers(-INT32, INT32, shape, endpoint=True)
    values >>= generator.integers(0, 31, (*shape[:3], 1))
    values[0, 0, 0], values[0, 0, 1] = INT32, 0
    values[0, 0, 2, 0], values[0, 0, 2, 1:] = INT32, -INT32
    values[0, 0, 3] = 5
    return values.astype(np.int32)


@pytest.mark.parametrize(("channels", "narrow", "bits"), [(1, 0, 20), (7, 11, 20), (24, 3, 20), (1024, 12, 20)])
def test_norm(channels, narrow, bits):
    generator = np.random.default_rng(channels)
    x = random(0, (1, 2, 5, channels))
    gain = generator.integers(-(2**20), 2**20, channels).astype(np.int32)
    bias = generator.integers(-(2**38), 2**38, channels)
    layer = Norm(narrow, (1 << bits) - 1, 12345, gain, bias, 17)
    for position, found in zip(x.reshape(-1, channels).tolist(), layer(x).reshape(-1, channels).tolist(), strict=True):
        values = [limited(shifted(value, narrow), (1 << bits) - 1) for value in position]
        total = sum(values)
        root, z = root_of(channels * sum(value * value for value in values) - total * total + 12345)
        inverse = (2**61 + root // 2) // root
        normal = [shifted((channels * value - total) * inverse, 45 - z) for value in values]
        pairs = zip(normal, gain.tolist(), bias.tolist(), strict=True)
        assert found == [limited(shifted(value * gain + bias, 17)) for value, gain, bias in pairs]


def test_norm_of_whole_numbers_is_near_that_of_numbers():
    x = np.random.default_rng(0).normal(3, 2, (1, 3, 4, 192))
    whole = np.rint(np.ldexp(x, 16)).astype(np.int32)
    layer = Norm(0, 2**20 - 1, 1, np.full(192, 1 << 10, np.int32), np.zeros(192, np.int64), 10)
    expected = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    assert np.abs(np.ldexp(layer(whole).astype(float), -16) - expected).max() < 2.0**-14


def test_pool():
    x = random(1, (2, 3, 5, 4))
    x[0, :, :, 0], x[1, :, :, 1] = INT32, -INT32
    for n, channel in np.ndindex(2, 4):
        total = sum(x[n, :, :, channel].reshape(-1).tolist())
        assert Pool()(x)[n, 0, 0, channel] == (total + 7) // 15


@pytest.mark.parametrize(("kind", "shift"), [(Gdn, 30), (Gdn, 50), (InverseGdn, 0), (InverseGdn, 32)])
def test_gdn(kind, shift):
    generator = np.random.default_rng(shift)
    channels, narrow, largest = 6, 5, 2**14 - 1
    x = random(2, (1, 2, 5, channels))
    weight = generator.integers(0, 4096, (channels, channels)).astype(np.int32)
    weight[0] = 0
    bias = np.array([1, 7, 2**20, 2**40, 2**50, 99])
    layer = kind(narrow, largest, weight, bias, np.full(channels, shift, np.int64))
    for position, found in zip(x.reshape(-1, channels).tolist(), layer(x).reshape(-1, channels).tolist(), strict=True):
        squares = [limited(shifted(value, narrow), largest) ** 2 for value in position]
        for channel, value in enumerate(position):
            total = sum(w * square for w, square in zip(weight[channel].tolist(), squares, strict=True))
            root, z = root_of(total + int(bias[channel]))
            if kind is Gdn:
                assert found[channel] == limited(shifted(value * ((2**61 + root // 2) // root), shift - z))
            else:
                assert found[channel] == limited(shifted(value * root, shift + z))


def test_strips_change_nothing(monkeypatch):
    x = random(0, (2, 6, 5, 8))
    norm = Norm(11, 2**20 - 1, 3, np.full(8, 1 << 10, np.int32), np.zeros(8, np.int64), 10)
    gdn = InverseGdn(5, 2**14 - 1, np.eye(8, dtype=np.int32), np.ones(8, np.int64), np.full(8, 3, np.int64))
    whole = norm(x), gdn(x)
    monkeypatch.setattr("nic_latent.integers.strips.ENTRIES", 1)
    assert np.array_equal(whole[0], norm(x)) and np.array_equal(whole[1], gdn(x))


ONE = np.ones(4, np.int64)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Norm(0, 2**20 - 1, 0, ONE.astype(np.int32), ONE, 0),
        lambda: Norm(0, 2**30, 1, ONE.astype(np.int32), ONE, 0),
        lambda: Norm(0, 2**20, 1, ONE.astype(np.int32), ONE << 62, 0),
        lambda: Norm(0, 2**20 - 1, 1 << 62, ONE.astype(np.int32), ONE, 0),
        lambda: Gdn(0, 2**14, np.full((4, 4), 2**24, np.int32), ONE, ONE * 30),
        lambda: Gdn(0, 2**14, np.eye(4, dtype=np.int32), ONE, ONE * 29),
        lambda: InverseGdn(0, 2**14, np.eye(4, dtype=np.int32), ONE, ONE * 33),
        lambda: InverseGdn(0, 2**14, np.eye(4, dtype=np.int32), ONE * 0, ONE),
        lambda: InverseGdn(0, 2**14, np.eye(4, dtype=np.int32)[:3], ONE, ONE),
        lambda: InverseGdn(0, 2**14, np.eye(4, dtype=np.int32), ONE, ONE[:1]),
    ],
)
def test_what_could_overflow_is_not_made(make):
    with pytest.raises(ValueError, match=r"bits|out of range|below 1|not one weight"):
        make()


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match="other channels"):
        Norm(0, 2**20 - 1, 1, ONE[:1].astype(np.int32), ONE[:1], 0)(np.zeros((1, 2, 2, 4), np.int32))
