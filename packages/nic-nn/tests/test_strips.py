"""Layers in strips: the same results by any number of threads, from where they are asked for."""

import os
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import pytest
import torch
from nic_nn.nets.strips import by_rows, each, in_strips
from torch import Tensor

X = torch.randn(1, 3, 9, 700)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("width", [5, 700, 5000])
def test_rows_are_put_together_again(width: int, threads: int) -> None:
    x, y = torch.randn(2, 1, 3, 9, width).unbind(0)

    def function(x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([x * y, x], 1)

    with torch.inference_mode():
        assert torch.equal(by_rows(function, x, y), function(x, y))


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_each_core_has_a_strip_and_its_callers_context(mode: Callable[[], None], threads: int) -> None:
    variable = ContextVar("variable", default=0)
    variable.set(5)
    together = threading.Barrier(threads)

    def function(part: int) -> tuple[int, int, int, bool, bool]:
        together.wait(60)
        modes = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        return part, variable.get(), torch.get_num_threads(), *modes

    with mode():
        here = torch.is_inference_mode_enabled()
        assert each(function, range(threads), X) == [(part, 5, 1, here, False) for part in range(threads)]
    found: list[int] = []
    new = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    new.start()
    new.join()
    assert found == [torch.get_num_threads()] == [threads]


def test_errors_come_to_the_caller(threads: int) -> None:
    def function(part: int) -> int:
        return 1 // part

    with torch.inference_mode(), pytest.raises(ZeroDivisionError):
        each(function, [1, 0, 2], X)


def test_learning_takes_everything_at_once() -> None:
    assert not in_strips(X)
    assert by_rows(lambda x: x, X) is X
    with torch.no_grad():
        assert in_strips(X)
        assert not in_strips(X.to("meta"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_has_threads_of_its_own(threads: int) -> None:
    with torch.inference_mode():
        expected = by_rows(lambda x: x + 1, X, positions=1)
    if not (child := os.fork()):
        with torch.inference_mode():
            os._exit(not torch.equal(by_rows(lambda x: x + 1, X, positions=1), expected))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
