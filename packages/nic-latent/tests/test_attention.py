"""Window attention against Python's integers."""

import numpy as np
import pytest
from nic_latent.integers.arithmetic import INT32
from nic_latent.integers.functions import TABLES
from nic_latent.integers.layers import WindowAttention

LARGEST = 2**14 - 1


def shifted(value: int, bits: int) -> int:
    return (value + ((1 << bits) >> 1)) >> bits if bits >= 0 else value << -bits


def limited(value: int, largest: int = INT32) -> int:
    return min(max(value, -largest), largest)


def weight_of(below: int) -> int:
    """Return the weight of a logit that lies so far below the largest."""
    argument = min(below, 16 << 20)
    index = min(argument >> 12, 4095)
    table = TABLES["exp"].tolist()
    value = table[index] + ((table[index + 1] - table[index]) * (argument - 4096 * index) + 2048 >> 12)
    return min((value + 256) >> 9, 2**15 - 1)


def attended(layer: WindowAttention, x: np.ndarray) -> np.ndarray:
    """Return what the definition says, one position after another; x: (h, w, 3C)."""
    height, width, channels = x.shape
    channels //= 3
    depth, side = channels // layer.heads, layer.window

    def place(row: int, column: int) -> tuple[int, ...]:
        """Return window and role of a position: what must agree for two to attend."""
        tall, wide = height + -height % side, width + -width % side
        row, column = (row - layer.shift) % tall, (column - layer.shift) % wide
        return row // side, column // side, row + layer.shift >= tall, column + layer.shift >= wide

    def part(row: int, column: int, which: int, head: int) -> list[int]:
        start = which * channels + head * depth
        values = x[row, column, start : start + depth].tolist()
        return [limited(shifted(value, layer.narrow[which]), LARGEST) for value in values]

    out = np.zeros((height, width, channels), np.int32)
    positions = list(np.ndindex(height, width))
    for i in positions:
        seen = [j for j in positions if place(*j) == place(*i)]
        for head in range(layer.heads):
            query = part(*i, 0, head)
            logits = []
            for j in seen:
                tall, wide = height + -height % side, width + -width % side
                rows = (i[0] - layer.shift) % tall - (j[0] - layer.shift) % tall
                columns = (i[1] - layer.shift) % wide - (j[1] - layer.shift) % wide
                bias = layer.bias[(rows + side - 1) * (2 * side - 1) + columns + side - 1, head]
                product = sum(a * b for a, b in zip(query, part(*j, 1, head), strict=True))
                logits.append(limited(shifted(product, layer.logit_shift) + int(bias)))
            weights = [weight_of(max(logits) - logit) for logit in logits]
            values = [part(*j, 2, head) for j in seen]
            for channel in range(depth):
                total = sum(w * value[channel] for w, value in zip(weights, values, strict=True))
                by = sum(weights)
                out[(*i, head * depth + channel)] = ((total << layer.value_bits) + by // 2) // by
    return out


@pytest.mark.parametrize(
    ("size", "window", "shift", "logit_shift"),
    [
        ((4, 8), 4, 0, 4),
        ((4, 8), 4, 2, 7),
        ((5, 3), 4, 2, 9),
        ((9, 6), 4, 2, 0),
        ((1, 1), 4, 2, 3),
        ((7, 6), 3, 1, -9),
        ((3, 5), 2, 0, 40),
    ],
)
def test_against_whole_numbers(size, window, shift, logit_shift):
    generator = np.random.default_rng(0)
    heads, depth = 2, 3
    bias = generator.integers(-(1 << 21), 1 << 21, ((2 * window - 1) ** 2, heads)).astype(np.int32)
    bias[0, 0] = INT32
    layer = WindowAttention(heads, window, shift, (1, 2, 0), LARGEST, bias, logit_shift, 8, depth)
    x = generator.normal(0, 3000, (2, *size, 3 * heads * depth)).astype(np.int32)
    x[0, 0, 0], x[1, -1, -1] = INT32, -INT32
    out = layer(x)
    for picture, found in zip(x, out, strict=True):
        assert np.array_equal(found, attended(layer, picture))


def test_strips_change_nothing(monkeypatch):
    x = np.random.default_rng(0).normal(0, 3000, (2, 13, 9, 36)).astype(np.int32)
    layer = WindowAttention(2, 4, 2, (0, 0, 0), LARGEST, np.zeros((49, 2), np.int32), 9, 8, 6)
    whole = layer(x)
    monkeypatch.setattr("nic_latent.integers.layers.attention.ENTRIES", 1)
    assert np.array_equal(whole, layer(x))


@pytest.mark.parametrize(
    "change",
    [
        {"largest": 2**24},
        {"largest": 2**15, "value_bits": 18},
        {"logit_shift": -10},
        {"shift": 4},
        {"window": 33, "bias": np.zeros((65 * 65, 2), np.int32)},
        {"window": 3},
        {"heads": 0, "bias": np.zeros((49, 0), np.int32)},
        {"narrow": (0, 0)},
    ],
)
def test_what_could_overflow_is_not_made(change):
    fields = {
        "heads": 2,
        "window": 4,
        "shift": 0,
        "narrow": (0, 0, 0),
        "largest": LARGEST,
        "bias": np.zeros((49, 2), np.int32),
        "logit_shift": 9,
        "value_bits": 8,
        "head_width": 32,
    }
    with pytest.raises(ValueError, match=r"bits|out of range|no heads"):
        WindowAttention(**{**fields, **change})


def test_other_channels_are_refused():
    layer = WindowAttention(2, 4, 2, (0, 0, 0), LARGEST, np.zeros((49, 2), np.int32), 9, 8, 6)
    with pytest.raises(ValueError, match="other channels"):
        layer(np.zeros((1, 4, 4, 18), np.int32))
