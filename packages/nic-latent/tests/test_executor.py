"""Layers in C give the integers of those in numpy: on random shapes, at the limits, in strips, by each processor."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from nic_core import native
from nic_latent.integers import executor
from nic_latent.integers.arithmetic import INT32
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.layers import (
    Add,
    Affine,
    Conv,
    Deconv,
    Gelu,
    Join,
    Layer,
    Leaky,
    Multiply,
    Norm,
    Pack,
    Pool,
    Shuffle,
    Sigmoid,
    Take,
    Tanh,
)
from nic_latent.integers.nets import Net
from nic_latent.integers.step import Step

pytestmark = pytest.mark.skipif(bool(native.why_not()), reason=native.why_not())
if not native.why_not():
    from nic_native import arrays
    from nic_native import threads as by_threads

LARGEST = 2**14 - 1
SETS = ("plain", "avx2", "avx512", "vnni")
Drawn = tuple[Layer, list[np.ndarray]]


@pytest.fixture(params=[(name, count) for name in SETS for count in (1, 2)], ids=lambda given: f"{given[0]}-{given[1]}")
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run by one instruction set; with two threads, even the smallest maps in strips."""
    name, count = request.param
    if SETS.index(name) > arrays.library().nic_best_isa():
        pytest.skip(f"this processor has no {name}")
    monkeypatch.setenv(arrays.NIC_NATIVE_ISA, name)
    monkeypatch.setattr(by_threads.threads, "_count", count)
    monkeypatch.setattr(by_threads, "WORTH", 1)
    arrays.instruction_set.cache_clear()
    yield
    arrays.instruction_set.cache_clear()


def values(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Return values of all sizes, some of them the largest."""
    found = generator.integers(-INT32, INT32, shape, endpoint=True) >> generator.integers(0, 31, shape)
    found[generator.random(shape) < 0.1] = INT32
    found[generator.random(shape) < 0.1] = -INT32
    return found.astype(np.int32)


def size(generator: np.random.Generator) -> tuple[int, int, int]:
    return int(generator.integers(1, 3)), *map(int, generator.integers(1, 12, 2))


def one_of(generator: np.random.Generator, *choices: int) -> int:
    return int(generator.choice(choices))


def products(generator: np.random.Generator, outputs: int, *shape: int) -> dict[str, np.ndarray]:
    """Return weights, biases and shifts; weights of 13 to 16 bits, or all of them the largest, or the smallest."""
    weight = generator.integers(-4095, 4095, shape, endpoint=True)
    if kind := one_of(generator, 0, 1, 2, 3):
        weight = {1: 8 * weight, 2: np.full(shape, 32767), 3: np.full(shape, -32768)}[kind]
    bias, shift = generator.integers(-(2**44), 2**44, outputs), generator.integers(0, 63, outputs)
    shift[generator.random(outputs) < 0.7] %= 24
    return {"weight": weight.astype(np.int16), "bias": bias, "shift": shift}


def inputs_of(generator: np.random.Generator, channels: int) -> tuple[list[np.ndarray], tuple[int, ...]]:
    """Return some inputs of so many channels in all, parts of larger arrays among them, and bits to narrow each."""
    x = values(generator, *size(generator), channels + 3)[..., 2 : 2 + channels]
    inputs = np.split(x, sorted(set(generator.integers(1, channels, 2).tolist())), -1) if channels > 1 else [x]
    return inputs, tuple(one_of(generator, 0, 1, 8, 15, 17, 31, 32, 40, 62) for _ in inputs)


def conv(generator: np.random.Generator, kind: str) -> Drawn:
    kernel, stride = (1, 1) if kind == "1x1" else (one_of(generator, 2, 3, 5), one_of(generator, 1, 1, 2, 3))
    channels, outputs = (int(found) for found in generator.integers(1, 70, 2))
    groups = one_of(generator, 1, 1, 2) if kind == "groups" else 1
    channels, outputs = channels * groups, outputs * groups
    if kind == "depthwise":
        groups = outputs = channels
    inputs, narrow = inputs_of(generator, channels)
    padding = max(kernel // 2, -(-(kernel - min(inputs[0].shape[1:3])) // 2))
    given = products(generator, outputs, outputs, channels // groups, kernel, kernel)
    largest = one_of(generator, LARGEST, 32767, 1)
    return Conv(narrow, largest, **given, stride=stride, padding=min(padding, kernel), groups=groups), inputs


def deconv(generator: np.random.Generator, _: str) -> Drawn:
    kernel = one_of(generator, 1, 3, 4, 5)
    stride, padding = int(generator.integers(1, kernel + 1)), int(generator.integers(0, kernel + 1))
    channels, outputs = (int(found) for found in generator.integers(1, 40, 2))
    inputs, narrow = inputs_of(generator, channels)
    given = products(generator, outputs, channels, outputs, kernel, kernel)
    return Deconv(narrow, LARGEST, **given, stride=stride, padding=padding), inputs


def leaky(generator: np.random.Generator, _: str) -> Drawn:
    return Leaky(one_of(generator, 0, 6554, 65536, -65536)), [values(generator, *size(generator), 5)]


def broadcast(generator: np.random.Generator, count: int) -> list[np.ndarray]:
    """Return inputs some of which have one row, column or channel for all."""
    shape = np.array([*size(generator), one_of(generator, 1, 5, 300)])
    whole = values(generator, *shape)
    return [whole, *(values(generator, *np.where(generator.random(4) < 0.3, 1, shape)) for _ in range(count - 1))]


def add(generator: np.random.Generator, _: str) -> Drawn:
    shifts = [one_of(generator, -29, -3, 0, 1, 9, 31, 32, 62) for _ in range(int(generator.integers(1, 4)))]
    shifts = [shift if index == 0 else max(shift, -3) for index, shift in enumerate(shifts)]
    return Add(tuple(shifts)), broadcast(generator, len(shifts))


def join(generator: np.random.Generator, _: str) -> Drawn:
    shape, shifts = size(generator), [one_of(generator, -30, -3, 0, 1, 31, 62) for _ in range(3)]
    return Join(tuple(shifts)), [values(generator, *shape, one_of(generator, 1, 4, 300)) for _ in shifts]


def take(generator: np.random.Generator, _: str) -> Drawn:
    return Take(1, 3), [values(generator, *size(generator), 6)]


def multiply(generator: np.random.Generator, _: str) -> Drawn:
    return Multiply(one_of(generator, 0, 1, 12, 31, 32, 62)), broadcast(generator, 2)


def affine(generator: np.random.Generator, _: str) -> Drawn:
    weight, bias = values(generator, 7) >> 1, generator.integers(-(2**61), 2**61, 7)
    return Affine(weight, bias, one_of(generator, 0, 1, 30, 62)), [values(generator, *size(generator), 7)]


def norm(generator: np.random.Generator, _: str) -> Drawn:
    channels = one_of(generator, 1, 2, 33)
    gain, bias = generator.integers(-(2**20), 2**20, channels), generator.integers(-(2**40), 2**40, channels)
    x = values(generator, *size(generator), channels)
    x[:, 0] = x[:, 0, :, :1]  # without any variance
    narrow, largest = one_of(generator, 0, 5, 11, 31), one_of(generator, 2**20 - 1, 2**14, 1)
    epsilon = one_of(generator, 1, 2**40)
    return Norm(narrow, largest, epsilon, gain.astype(np.int32), bias, one_of(generator, 0, 16, 62)), [x]


def function(generator: np.random.Generator, kind: str) -> Drawn:
    grid = int(generator.integers(0, 31))
    x = values(generator, *size(generator), 9)
    edges = [(edge << grid) + nearby for edge in (-16, -1, 0, 1, 16) for nearby in (-1, 0, 1)]
    x = np.concatenate([x, np.broadcast_to(np.clip(edges, -INT32, INT32).astype(np.int32), (*x.shape[:3], 15))], -1)
    return {"gelu": Gelu, "sigmoid": Sigmoid, "tanh": Tanh}[kind](grid), [x]


def pool(generator: np.random.Generator, _: str) -> Drawn:
    return Pool(), [values(generator, *size(generator), 6)]


DRAWS: dict[str, Callable[[np.random.Generator, str], Drawn]] = {
    **dict.fromkeys(("1x1", "spatial", "groups", "depthwise"), conv),
    **dict.fromkeys(("gelu", "sigmoid", "tanh"), function),
    **{draw.__name__: draw for draw in (deconv, leaky, add, join, take, multiply, affine, norm, pool)},
}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", list(DRAWS))
def test_same_integers(kind: str) -> None:
    generator = np.random.default_rng(len(kind))
    for _ in range(12):
        layer, drawn = DRAWS[kind](generator, kind)
        for bits in (0, one_of(generator, 8, 16, 24), 31):  # small values are summed in longer runs, zeros not at all
            inputs = [x >> bits for x in drawn]
            found = executor.run(layer, *inputs)
            expected = layer(*inputs)
            assert found.dtype == np.int32
            assert np.array_equal(found, expected), (layer, bits, [x.shape for x in inputs])


@pytest.mark.usefixtures("way")
def test_grids_and_ladders() -> None:
    generator = np.random.default_rng(0)
    steps = np.sort(generator.integers(0, 1 << 24, 63)).astype(np.int32)
    for _ in range(8):
        x = values(generator, *size(generator), one_of(generator, 1, 9, 300))
        x.flat[: steps.size] = steps[: x.size]
        bits = one_of(generator, -31, -30, -1, 0, 1, 31, 32, 62)
        found = executor.rescaled(x, bits), executor.steps_below(steps, x)
        with executor.only_numpy():
            expected = executor.rescaled(x, bits), executor.steps_below(steps, x)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype == np.int32
            assert np.array_equal(one, other)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("way")
def test_layers_that_run_as_one(seed: int) -> None:
    generator = np.random.default_rng(seed)
    inputs, narrow = inputs_of(generator, 7)
    factor, slope = one_of(generator, 1, 2, 3), one_of(generator, 0, 6554, -65536)
    outputs = 5 * factor**2
    layers = [Conv(narrow, LARGEST, **products(generator, outputs, outputs, 7, 3, 3), padding=2), Shuffle(factor)]
    layers += [Leaky(slope), Deconv((3,), LARGEST, **products(generator, 4, 5, 4, 3, 3), stride=2, padding=1)]
    layers += [Leaky(-slope), Conv((9,), LARGEST, **products(generator, 4, 4, 1, 3, 3), padding=1, groups=4)]
    count = len(inputs)
    steps = [Step(layers[0], tuple(range(count)), 12)]
    steps += [Step(layer, (count + index,), 12) for index, layer in enumerate(layers[1:])]
    # Its second input keeps the first convolution with its shuffle from going on.
    steps += [Step(Leaky(slope), (count + 5,), 12), Step(Add((0, 1)), (count + 6, count + 5), 12)]
    net = Net((12,) * count, tuple(steps))
    given = [Fixed(x, 12) for x in inputs]
    found = net(*given)
    with executor.only_numpy():
        expected = net(*given)
    assert found.grid == expected.grid
    assert np.array_equal(found.values, expected.values)


@pytest.mark.parametrize("parity", [0, 1])
@pytest.mark.usefixtures("way")
def test_a_convolution_at_one_colour(parity: int) -> None:
    generator = np.random.default_rng(parity)
    for kernel, padding in ((1, 0), (3, 1), (5, 2), (3, 0), (2, 1)):
        inputs, narrow = inputs_of(generator, 5)
        count, sides = len(inputs), (generator.integers(2, 5, 2) * 2 + (kernel + 1) % 2)
        inputs = [values(generator, 2, *sides, x.shape[-1]) for x in inputs]
        layer = Conv(narrow, LARGEST, **products(generator, 9, 9, 5, kernel, kernel), padding=padding)
        layers = [(layer, tuple(range(count))), (Pack(parity), (count,)), (Leaky(655), (count + 1,))]
        net = Net((12,) * count, tuple(Step(*each, 12) for each in layers))
        given = [Fixed(x, 12) for x in inputs]
        found = net(*given)
        with executor.only_numpy():
            assert np.array_equal(found.values, net(*given).values)
        odd = [Fixed(x.values[:, 1:], 12) for x in given]
        with pytest.raises(ValueError, match="even"):
            net(*odd)


def test_what_c_refuses_is_computed_all_the_same() -> None:
    weight, numbers = np.full((1, 1, 1, 1), 1 << 20, np.int32), np.zeros(1, np.int64)
    layer = Conv((0,), 1 << 20, weight, numbers, numbers)
    x = np.array([1, -5, 1 << 21], np.int32).reshape(1, 1, 3, 1)
    assert executor.run(layer, x).ravel().tolist() == [1 << 20, -5 << 20, INT32]


def test_errors_are_the_same() -> None:
    weight, numbers = np.ones((1, 2, 3, 3), np.int16), np.zeros(1, np.int64)
    layer = Conv((0,), LARGEST, weight, numbers, numbers)
    for shape in ((1, 3, 3, 3), (1, 2, 2, 2)):
        x = np.zeros(shape, np.int32)
        for run in (layer, lambda x: executor.run(layer, x)):
            with pytest.raises(ValueError, match=r".+"):
                run(x)


def test_a_net_can_be_copied_and_sent_after_it_ran() -> None:
    import copy
    import pickle

    generator = np.random.default_rng(0)
    layer, inputs = conv(generator, "spatial")
    net = Net((12,) * len(inputs), (Step(layer, tuple(range(len(inputs))), 12), Step(Leaky(0), (len(inputs),), 12)))
    given = [Fixed(x, 12) for x in inputs]
    expected = net(*given).values
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert np.array_equal(other(*given).values, expected)
