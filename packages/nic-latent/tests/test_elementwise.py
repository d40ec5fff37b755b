"""Layers that treat every value alike, and layers that move values, against Python's integers."""

import numpy as np
import pytest
from nic_latent.integers.arithmetic import INT32
from nic_latent.integers.layers import Add, Affine, Join, Leaky, Multiply, Pack, Shuffle, Take, Unpack

SHAPE = (2, 4, 6, 8)


def random(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return int32 values of all sizes, the largest among them."""
    generator = np.random.default_rng(seed)
    values = generator.integers(-INT32, INT32, shape, endpoint=True) >> generator.integers(0, 31, shape)
    values.reshape(-1)[:4] = (INT32, -INT32, 0, -1)
    return generator.permuted(values.reshape(-1)).reshape(shape).astype(np.int32)


def shifted(value: int, bits: int) -> int:
    """Return a value rounded by some bits, or shifted left where they are negative."""
    return (value + ((1 << bits) >> 1)) >> bits if bits >= 0 else value << -bits


def saturated(value: int) -> int:
    return min(max(value, -INT32), INT32)


@pytest.mark.parametrize("slope", [0, 655, 6554, 65536, -300])
def test_leaky(slope):
    x = random(0)
    expected = [shifted(value * slope, 16) if value < 0 else value for value in x.reshape(-1).tolist()]
    assert Leaky(slope)(x).reshape(-1).tolist() == expected


@pytest.mark.parametrize("shifts", [(0, 0), (3, -2), (-29, 1), (40, 0), (1, 2, -3)])
def test_add(shifts):
    inputs = [random(seed) for seed in range(len(shifts))]
    expected = [
        saturated(sum(shifted(value, bits) for value, bits in zip(values, shifts, strict=True)))
        for values in zip(*(x.reshape(-1).tolist() for x in inputs), strict=True)
    ]
    out = Add(shifts)(*inputs)
    assert out.dtype == np.int32 and out.reshape(-1).tolist() == expected


@pytest.mark.parametrize("shift", [0, 14, 31, 62])
def test_multiply(shift):
    x, y = random(0), random(1)
    y[0, 0, 0], x[0, 0, 0] = INT32, -INT32
    pairs = zip(x.reshape(-1).tolist(), y.reshape(-1).tolist(), strict=True)
    assert Multiply(shift)(x, y).reshape(-1).tolist() == [saturated(shifted(a * b, shift)) for a, b in pairs]


def test_one_position_serves_all():
    x, gains = random(0), random(1, (2, 1, 1, 8))
    assert np.array_equal(Multiply(20)(x, gains), Multiply(20)(x, np.broadcast_to(gains, SHAPE)))
    assert np.array_equal(Add((1, 2))(gains, x), Add((1, 2))(np.broadcast_to(gains, SHAPE), x))


def test_strips_change_nothing(monkeypatch):
    x, y, gains = random(0), random(1), random(2, (2, 1, 1, 8))
    whole = Multiply(20)(x, y), Add((1, 2))(gains, x), Leaky(77)(x)
    monkeypatch.setattr("nic_latent.integers.strips.ENTRIES", 1)
    for first, second in zip(whole, (Multiply(20)(x, y), Add((1, 2))(gains, x), Leaky(77)(x)), strict=True):
        assert np.array_equal(first, second)


def test_affine():
    x = random(0)
    weight = np.array([0, 1, -1, 2**20, -(2**20), 2**30 - 1, 12345, -1], np.int32)
    bias = np.array([0, 2**60, -(2**60), 7, -7, 0, 2**40, 2**61 - 1], np.int64)
    for shift in (0, 1, 20, 62):
        expected = [
            saturated(shifted(value * int(weight[i % 8]) + int(bias[i % 8]), shift))
            for i, value in enumerate(x.reshape(-1).tolist())
        ]
        assert Affine(weight, bias, shift)(x).reshape(-1).tolist() == expected


def test_moves():
    x, y = random(0), random(1)
    assert Take(2, 5)(x).tolist() == x[..., 2:5].tolist()
    joined = Join((2, -3))(x, y)
    assert joined.reshape(-1, 16)[:, :8].reshape(-1).tolist() == [shifted(v, 2) for v in x.reshape(-1).tolist()]
    assert joined.reshape(-1, 16)[:, 8:].reshape(-1).tolist() == [
        saturated(shifted(v, -3)) for v in y.reshape(-1).tolist()
    ]
    shuffled = Shuffle(2)(x)
    assert shuffled.shape == (2, 8, 12, 2)
    for n, row, column, channel in np.ndindex(shuffled.shape):
        source = x[n, row // 2, column // 2, 4 * channel + 2 * (row % 2) + column % 2]
        assert shuffled[n, row, column, channel] == source


@pytest.mark.parametrize("parity", [0, 1])
def test_packing_keeps_one_colour(parity):
    x = random(0)
    packed = Pack(parity)(x)
    assert packed.shape == (2, 4, 3, 8)
    row, column = np.indices(SHAPE[1:3])
    assert np.array_equal(Unpack(parity)(packed), np.where(((row + column) % 2 == parity)[..., None], x, 0))
    assert np.array_equal(packed[:, 0], x[:, 0, parity::2]) and np.array_equal(packed[:, 2], x[:, 1, 1 - parity :: 2])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Add((-31, 0)),
        lambda: Add((-30, -30, -30)),
        lambda: Multiply(63),
        lambda: Multiply(-1),
        lambda: Affine(np.array([2**31 - 1], np.int32), np.array([2**62]), 3),
        lambda: Leaky(65537),
        lambda: Join((63,)),
        lambda: Shuffle(0),
        lambda: Take(3, 3),
        lambda: Pack(2),
    ],
)
def test_what_could_overflow_is_not_made(make):
    with pytest.raises(ValueError, match=r"62 bits|out of range|beyond|no channels|neither"):
        make()


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match="other channels"):
        Affine(np.ones(1, np.int32), np.ones(1, np.int64), 0)(random(0))
