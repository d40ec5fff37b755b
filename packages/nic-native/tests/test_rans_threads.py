"""Tables are prepared once, however many threads come to them at the same time."""

import threading
from ctypes import addressof
from typing import Any

import pytest
from nic_core.coding.tables import Tables
from nic_native import library, rans


@pytest.mark.skipif(bool(library.why_not()), reason=library.why_not())
def test_threads_that_come_at_once_read_the_same_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise those of all but the last would be gone while C still reads them."""
    together = threading.Barrier(4)

    class Slow(rans.Prepared):
        def __init__(self, *given: Any) -> None:
            together.wait(60)
            super().__init__(*given)

    monkeypatch.setattr(rans, "Prepared", Slow)
    kernels, tables = rans.NativeKernels(), Tables([[0, 30000, 60000, 65536]], [4], [-1])
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(addressof(kernels._prepare(tables)._obj))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [addressof(kernels._prepare(tables)._obj)] * 4
