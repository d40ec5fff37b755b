"""A bound on what the config of a weights file, which may come from anyone, makes a model grow to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def no_larger_than(tensors: int, elements: int) -> Iterator[None]:
    """Let a model be built as long as it does not grow far beyond what a file holds, for its config may lie.

    tensors: how many the file has; elements: how many numbers are in all of them.
    ValueError as soon as it has more than twice as many tensors, or numbers in them, plus what models always have. The
    memory of a tensor that is too large is asked for but not touched.
    """
    with _Budget(2 * tensors + 1000, 2 * elements + (1 << 20)):
        yield


class _Budget(TorchFunctionMode):
    """Counts the tensors that modules make for their parameters, in this thread."""

    def __init__(self, tensors: int, elements: int) -> None:
        super().__init__()
        self.tensors, self.elements = tensors, elements

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **kwargs or {})
        if func in (torch.empty, torch.zeros, torch.ones):
            self.tensors -= 1
            self.elements -= made.numel()
            if self.tensors < 0 or self.elements < 0:
                raise ValueError("it describes a larger model than the file holds")
        return made
