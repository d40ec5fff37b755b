"""Convolutions against Python's integers."""

import itertools

import numpy as np
import pytest
from nic_latent.integers.arithmetic import INT32
from nic_latent.integers.layers import Conv, Deconv

LARGEST = 2**14 - 1


def shifted(value: int, bits: int) -> int:
    return (value + ((1 << bits) >> 1)) >> bits


def limited(value: int, largest: int = INT32) -> int:
    return min(max(value, -largest), largest)


def random(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    generator = np.random.default_rng(seed)
    values = generator.integers(-INT32, INT32, shape, endpoint=True) >> generator.integers(0, 31, shape)
    values.reshape(-1)[:3] = (INT32, -INT32, 0)
    return values.astype(np.int32)


def finished(layer: Conv | Deconv, sums: np.ndarray) -> np.ndarray:
    """Return what becomes of exact sums, Python integers (N, h, w, C)."""
    out = np.zeros(sums.shape, np.int32)
    for place in np.ndindex(sums.shape):
        out[place] = limited(shifted(sums[place] + int(layer.bias[place[-1]]), int(layer.shift[place[-1]])))
    return out


def joined(layer: Conv | Deconv, inputs: list[np.ndarray]) -> np.ndarray:
    """Return narrowed inputs, Python integers (N, h, w, C)."""
    narrow = [
        np.vectorize(lambda value, bits=bits: limited(shifted(int(value), bits), LARGEST), otypes=[object])(x)
        for x, bits in zip(inputs, layer.narrow, strict=True)
    ]
    return np.concatenate(narrow, -1)


@pytest.mark.parametrize(
    ("groups", "kernel", "stride"), [(1, 3, 1), (1, 1, 1), (1, 5, 2), (6, 3, 1), (3, 3, 1), (2, 1, 1)]
)
def test_convolution(groups, kernel, stride):
    generator = np.random.default_rng(kernel)
    inputs = [random(0, (1, 5, 4, 4)), random(1, (1, 5, 4, 2))]
    weight = generator.integers(-4096, 4096, (6, 6 // groups, kernel, kernel)).astype(np.int16)
    bias, shift = generator.integers(-(2**40), 2**40, 6), np.arange(6) * 4
    pad = kernel // 2
    layer = Conv((3, 17), LARGEST, weight, bias, shift, stride, pad, groups)
    x = joined(layer, inputs)
    height, width = (-(-side // stride) for side in (5, 4))
    sums = np.zeros((1, height, width, 6), object)
    for row, column, output in np.ndindex(height, width, 6):
        first = output // (6 // groups) * (6 // groups)
        for i, j, channel in itertools.product(range(kernel), range(kernel), range(6 // groups)):
            above, left = row * stride + i - pad, column * stride + j - pad
            if 0 <= above < 5 and 0 <= left < 4:
                sums[0, row, column, output] += int(weight[output, channel, i, j]) * x[0, above, left, first + channel]
    assert np.array_equal(layer(*inputs), finished(layer, sums))


@pytest.mark.parametrize(("kernel", "stride"), [(5, 2), (3, 1), (4, 4)])
def test_transposed_convolution(kernel, stride):
    generator = np.random.default_rng(kernel)
    x = random(0, (1, 3, 4, 4))
    weight = generator.integers(-4096, 4096, (4, 3, kernel, kernel)).astype(np.int16)
    bias, shift = generator.integers(-(2**40), 2**40, 3), np.array([0, 9, 20])
    pad = 0 if kernel == stride else kernel // 2
    layer = Deconv((9,), LARGEST, weight, bias, shift, stride, pad)
    narrow = joined(layer, [x])
    sums = np.zeros((1, 3 * stride, 4 * stride, 3), object)
    for row, column, channel, i, j, output in np.ndindex(3, 4, 4, kernel, kernel, 3):
        below, right = row * stride + i - pad, column * stride + j - pad
        if 0 <= below < 3 * stride and 0 <= right < 4 * stride:
            sums[0, below, right, output] += int(weight[channel, output, i, j]) * narrow[0, row, column, channel]
    assert np.array_equal(layer(x), finished(layer, sums))


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_strips_change_nothing(kernel, stride, monkeypatch):
    inputs = random(0, (2, 43, 5, 3)), random(1, (2, 43, 5, 1))
    weight = np.random.default_rng(0).integers(-4096, 4096, (4, 4, kernel, kernel)).astype(np.int16)
    zero = np.zeros(4, np.int64)
    kinds = (Conv, Deconv) if kernel >= stride else (Conv,)
    layers = [kind((0, 9), LARGEST, weight, zero, zero + 9, stride, (kernel - 1) // 2) for kind in kinds]
    whole = [layer(*inputs) for layer in layers]
    monkeypatch.setattr("nic_latent.integers.layers.products.ENTRIES", 1)
    for layer, expected in zip(layers, whole, strict=True):
        assert np.array_equal(layer(*inputs), expected)


def test_less_than_a_kernel_is_refused():
    zero = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="less than its kernel"):
        Conv((0,), LARGEST, np.ones((1, 1, 3, 3), np.int16), zero, zero)(np.zeros((1, 2, 5, 1), np.int32))


def test_what_could_overflow_is_not_made():
    weight = np.full((1, 1 << 14, 5, 5), 4095, np.int16)
    zero = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="52 bits"):
        Conv((0,), (1 << 24) - 1, weight, zero, zero)
    with pytest.raises(ValueError, match="out of range"):
        Conv((0,), LARGEST, weight, zero, zero + 63)
    with pytest.raises(ValueError, match="out of range"):
        Conv((0,), LARGEST, weight, zero, zero, stride=0)
    with pytest.raises(ValueError, match="gaps"):
        Deconv((0,), LARGEST, np.ones((1, 1, 2, 2), np.int16), zero, zero, stride=3)
    with pytest.raises(ValueError, match="not square"):
        Conv((0,), LARGEST, weight[..., :3], zero, zero)
