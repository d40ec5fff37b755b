"""Nets survive a weights file, and files of strangers hold only what nets could be."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.layers import Add, Conv, Gelu, Leaky, WindowAttention
from nic_latent.integers.nets import Net
from nic_latent.integers.step import Step
from nic_latent.integers.stored import TEXT, from_tensors, to_tensors


def nets() -> dict[str, Net]:
    random = np.random.default_rng(0)
    weight = random.integers(-2000, 2000, (6, 2, 3, 3)).astype(np.int16)
    conv = Conv((3,), 16383, weight, random.integers(-(1 << 40), 1 << 40, 6), np.arange(6) + 9, 1, 1)
    attention = WindowAttention(1, 2, 1, (2, 2, 2), 16383, random.integers(-99, 99, (9, 1)).astype(np.int32), 4, 8, 2)
    steps = (
        *(Step(conv, (0,), 14), Step(Leaky(6554), (1,), 14), Step(attention, (2,), 12)),
        *(Step(Gelu(12), (3,), 12), Step(Add((0, 2)), (3, 4), 12)),
    )
    return {"a.b": Net((12,), steps), "h_s": Net((10, 9), (Step(Add((1, 0)), (0, 1), 9),))}


def test_nets_come_back_as_they_were() -> None:
    tensors = to_tensors(nets())
    assert {array.dtype.name for array in tensors.values()} == {"uint8", "int8", "int16", "int64"}
    again = from_tensors(tensors)
    assert set(again) == set(nets())
    x = Fixed.of(np.random.default_rng(1).normal(0, 3, (1, 4, 6, 2)), 12)
    assert np.array_equal(again["a.b"](x).values, nets()["a.b"](x).values)
    assert again["a.b"](x).grid == 12
    second = to_tensors(again)
    assert all(np.array_equal(second[name], array) for name, array in tensors.items())


def altered(change: Callable[[dict], object]) -> dict[str, np.ndarray]:
    tensors = to_tensors(nets())
    text = json.loads(bytes(tensors[TEXT]))
    change(text)
    return {**tensors, TEXT: np.frombuffer(json.dumps(text).encode(), np.uint8)}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t["a.b"]["steps"][0].update(layer="Eval"), id="unknown layer"),
        pytest.param(lambda t: t["a.b"]["steps"][0].update(inputs=[1]), id="a value of its own future"),
        pytest.param(lambda t: t["a.b"]["steps"][0].update(inputs=[-1]), id="a value from behind"),
        pytest.param(lambda t: t["a.b"]["steps"][0].update(inputs=[]), id="no inputs"),
        pytest.param(lambda t: t["a.b"]["steps"][0].update(stride=0), id="no stride"),
        pytest.param(lambda t: t["a.b"]["steps"][0].update(padding=10**9), id="a huge border"),
        pytest.param(lambda t: t["a.b"]["steps"][0].update(largest=1 << 50), id="sums that overflow"),
        pytest.param(lambda t: t["a.b"]["steps"][0].update(narrow=[-1]), id="a negative shift"),
        pytest.param(lambda t: t["a.b"]["steps"][0].update(narrow=3), id="a number for numbers"),
        pytest.param(lambda t: t["a.b"]["steps"][0].update(groups=True), id="a boolean"),
        pytest.param(lambda t: t["a.b"]["steps"][0].update(stride=1.5), id="a fraction"),
        pytest.param(lambda t: t["a.b"]["steps"][0].pop("stride"), id="a field is missing"),
        pytest.param(lambda t: t["a.b"]["steps"][1].update(slope=1 << 40), id="a steep slope"),
        pytest.param(lambda t: t["a.b"]["steps"][2].update(window=1 << 20), id="a huge window"),
        pytest.param(lambda t: t["a.b"].update(inputs=["x"]), id="a grid that is none"),
        pytest.param(lambda t: t["a.b"].update(steps=[]), id="no steps"),
        pytest.param(lambda t: t.update({"a.b": 3}), id="no net"),
        pytest.param(lambda t: t.update({"new": t["a.b"]}), id="arrays are missing"),
    ],
)
def test_what_no_net_could_be_is_refused(change: Callable[[dict], object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_tensors(altered(change))


def test_arrays_must_be_integers_and_the_text_json() -> None:
    tensors = to_tensors(nets())
    with pytest.raises(ValueError, match="holds no integers"):
        from_tensors({**tensors, "integers.a.b.0.weight": np.zeros((6, 2, 3, 3), np.float32)})
    with pytest.raises(ValueError, match=r"."):
        from_tensors({**tensors, TEXT: np.frombuffer(b"[" * 100_000, np.uint8)})
