"""A net at one colour of a checkerboard makes what it makes there anyway, and zeros elsewhere."""

from collections.abc import Iterator

import numpy as np
import pytest
from nic_latent.integers.executor import only_numpy
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.layers import Add, Conv, Layer, Leaky, Pool, Shuffle, Sigmoid, Take
from nic_latent.integers.nets import Net, NetTable
from nic_latent.integers.step import Step

GRID = 12
CHANNELS = 4


@pytest.fixture(params=[False, True], ids=["as it is", "numpy"], autouse=True)
def executor(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compute in C, where it is to be had, and in numpy."""
    if not request.param:
        yield
        return
    with only_numpy():
        yield


def conv(inputs: int, kernel: int, stride: int = 1) -> Conv:
    """Return a convolution of some values, CHANNELS each."""
    generator = np.random.default_rng(inputs + kernel)
    weight = generator.integers(-2000, 2000, (CHANNELS, inputs * CHANNELS, kernel, kernel)).astype(np.int16)
    bias, shift = generator.integers(-(1 << 20), 1 << 20, CHANNELS), np.full(CHANNELS, 10, np.int64)
    return Conv((0,) * inputs, 16383, weight, bias, shift, stride, kernel // 2)


def net(inputs: int, *steps: tuple[Layer, tuple[int, ...]]) -> Net:
    """Return a net of layers, each with the numbers of what it reads."""
    return Net((GRID,) * inputs, tuple(Step(layer, taken, GRID) for layer, taken in steps))


NETS = {
    "pointwise": net(2, (conv(2, 1), (0, 1)), (Leaky(6554), (2,)), (Add((0, 1)), (3, 0)), (Take(1, 3), (4,))),
    "kernel": net(1, (conv(1, 5), (0,))),
    "both": net(2, (conv(1, 3), (1,)), (Leaky(0), (2,)), (conv(2, 1), (0, 3)), (Sigmoid(GRID), (4,))),
    "pool": net(1, (Pool(), (0,)), (Add((0, 0)), (0, 1))),
    "stride": net(1, (conv(1, 3, 2), (0,)), (Leaky(0), (1,))),
    "shuffle": net(1, (conv(1, 3), (0,)), (Shuffle(2), (1,))),
}


@pytest.mark.parametrize("parity", [0, 1])
@pytest.mark.parametrize("name", list(NETS))
def test_one_colour(name: str, parity: int) -> None:
    found = NETS[name]
    generator = np.random.default_rng(0)
    for sides in ((6, 4), (2, 2), (5, 4), (3, 3)):
        shape = (1, *sides, CHANNELS)
        inputs = [Fixed(generator.integers(-30000, 30000, shape).astype(np.int32), GRID) for _ in found.input_grids]
        whole = found(*inputs)
        row, column = np.indices(whole.values.shape[1:3])
        own = (row + column) % 2 == parity
        part = NetTable({"net": found})("net", *inputs, parity=parity)
        assert part.grid == whole.grid
        assert np.array_equal(part.values[:, own], whole.values[:, own])
        if name in ("pointwise", "kernel", "both") and not any(side % 2 for side in sides):
            assert not part.values[:, ~own].any()
