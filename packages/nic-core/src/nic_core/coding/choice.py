"""Which kernels run: nic-native's where that is installed and has its library, otherwise those in Python."""

from functools import lru_cache
from typing import NamedTuple

from nic_core.coding.kernels import Kernels
from nic_core.coding.pure import PureKernels


class Choice(NamedTuple):
    """The kernels in use, and a line that says which they are and why."""

    kernels: Kernels
    line: str


@lru_cache(maxsize=1)
def chosen() -> Choice:
    """Return what runs in this process."""
    return Choice(PureKernels(), "pure Python")
