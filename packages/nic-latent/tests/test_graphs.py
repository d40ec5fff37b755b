"""Runs of onnxruntime that are ended while they last."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from nic_core import progress
from nic_core.errors import BadWeights, OutOfTime
from nic_core.host.limits import time_limit
from nic_core.progress import Listener

pytest.importorskip("onnxruntime")
helper = pytest.importorskip("onnx.helper")

from nic_latent.graphs import SYNTHESIS, TENSORS, Graph  # noqa: E402

FLOAT = 1


def powers(count: int, side: int) -> Graph:
    """Return a graph that multiplies a matrix by itself so many times, an operator each."""
    shape = [side, side]
    nodes = [helper.make_node("MatMul", [f"p{number}", "p0"], [f"p{number + 1}"]) for number in range(count)]
    first, last = (helper.make_tensor_value_info(name, FLOAT, shape) for name in ("p0", f"p{count}"))
    graph = helper.make_graph(nodes, "powers", [first], [last])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content = np.frombuffer(model.SerializeToString(), np.uint8)
    names = np.frombuffer(f'{{"{SYNTHESIS}": []}}'.encode(), np.uint8)
    return Graph(SYNTHESIS, {f"graphs.{SYNTHESIS}": content, TENSORS: names}, Path("w.safetensors"), "cpu")


@pytest.fixture(scope="module")
def long() -> Graph:
    """Return a graph that runs for ten seconds and more."""
    return powers(1000, 1000)


def test_a_limit_of_time_ends_a_graph(long: Graph) -> None:
    one = np.eye(1000, dtype=np.float32)
    for _ in range(2):  # and the graph can be used again
        begin = time.monotonic()
        with pytest.raises(OutOfTime), time_limit(0.2):
            long(p0=one)
        assert time.monotonic() - begin < 5


def test_who_listens_ends_a_graph(long: Graph) -> None:
    class Cancelled(Exception):
        pass

    cancelled = threading.Event()

    def check() -> None:
        if cancelled.is_set():
            raise Cancelled

    threading.Timer(0.3, cancelled.set).start()
    before = threading.active_count()
    with pytest.raises(Cancelled), progress.listening(Listener(lambda *step: None, print, check=check)):
        long(p0=np.eye(1000, dtype=np.float32))
    assert threading.active_count() <= before


def test_who_does_not_end_it_gets_the_result() -> None:
    graph, two = powers(3, 8), 2 * np.eye(8, dtype=np.float32)
    asked: list[None] = []
    with progress.listening(Listener(lambda *step: None, print, check=lambda: asked.append(None))):
        np.testing.assert_array_equal(graph(p0=two)[0], 16 * np.eye(8))
    assert asked
    np.testing.assert_array_equal(graph(p0=two)[0], 16 * np.eye(8))
    with pytest.raises(BadWeights, match="does not run"), time_limit(60):
        graph(p0=np.eye(7, dtype=np.float32))
