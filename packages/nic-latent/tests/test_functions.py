"""Functions by table: the tables are what the script makes, and layers are near the functions and exact at the ends."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from nic_latent.integers.arithmetic import INT32
from nic_latent.integers.functions import NAMES, TABLES, looked_up
from nic_latent.integers.layers import Gelu, Sigmoid, Tanh


def test_tables_are_what_the_script_makes():
    path = Path(__file__).parents[1] / "make_functions.py"
    spec = importlib.util.spec_from_file_location("make_functions", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = script.tables()
    for name, table in zip(NAMES, made, strict=True):
        assert np.array_equal(TABLES[name], table), name


def value_of(name: str, argument: int) -> int:
    """Return what the definition says of a table at an argument on grid 20."""
    argument = min(argument, 16 << 20)
    index = min(argument >> 12, 4095)
    table = TABLES[name].tolist()
    return table[index] + ((table[index + 1] - table[index]) * (argument - 4096 * index) + 2048 >> 12)


def gelu(x: float) -> float:
    return x * math.erfc(-x / math.sqrt(2)) / 2


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


EXACT = {"gelu": gelu, "sigmoid": sigmoid, "tanh": math.tanh}
LAYERS = {"gelu": Gelu, "sigmoid": Sigmoid, "tanh": Tanh}


def inputs(grid: int) -> np.ndarray:
    """Return values about the tables' range, and the largest, (1, 1, 1, n)."""
    generator = np.random.default_rng(grid)
    near = np.clip(np.ldexp(generator.normal(0, 6, 2000), grid), -INT32, INT32)
    ends = np.ldexp([[-16, 16], [-16.01, 15.99]], grid).clip(-INT32, INT32).reshape(-1)
    return np.rint(np.concatenate([near, ends, [0, 1, -1, INT32, -INT32]])).astype(np.int32).reshape(1, 1, 1, -1)


@pytest.mark.parametrize("name", list(LAYERS))
@pytest.mark.parametrize("grid", [0, 12, 20, 24, 30])
def test_against_whole_numbers(name, grid):
    x = inputs(grid)
    for value, found in zip(x.reshape(-1).tolist(), LAYERS[name](grid)(x).reshape(-1).tolist(), strict=True):
        bits, magnitude = grid - 20, abs(value)
        argument = (magnitude + ((1 << bits) >> 1)) >> bits if bits >= 0 else magnitude << -bits
        table = value_of(name, argument)
        if name == "gelu":
            bits = 24 - grid
            tail = (table + ((1 << bits) >> 1)) >> bits if bits >= 0 else table << -bits
            assert found == max(value, 0) - tail
        elif name == "sigmoid":
            assert found == (table if value < 0 else 2**24 - table)
        else:
            assert found == (-table if value < 0 else table)


@pytest.mark.parametrize("name", list(LAYERS))
def test_near_the_function(name):
    x = inputs(24)
    found = np.ldexp(LAYERS[name](24)(x).astype(np.float64), -24).reshape(-1)
    exact = [EXACT[name](value) for value in np.ldexp(x.astype(np.float64), -24).reshape(-1)]
    assert np.abs(found - exact).max() < 2.0**-18


def test_near_the_exponential():
    argument = np.arange(0, 16 << 20, 997)
    exact = np.exp(-np.ldexp(argument.astype(np.float64), -20))
    assert np.abs(looked_up("exp", argument) / 2.0**24 - exact).max() < 2.0**-18
    assert looked_up("exp", np.array([0, 16 << 20, 1 << 40])).tolist() == [1 << 24, 2, 2]


def test_gelu_ends_exactly():
    x = np.array([20, -20, 1000, -1000, 16, -16], np.int32).reshape(1, 1, 1, -1) << 18
    assert Gelu(18)(x).reshape(-1).tolist() == np.maximum(x, 0).reshape(-1).tolist()


def test_grids_have_a_range():
    with pytest.raises(ValueError, match="out of range"):
        Gelu(31)
