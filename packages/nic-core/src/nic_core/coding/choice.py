"""Which kernels run: nic-native's where they are to be had, otherwise those in Python."""

from functools import lru_cache

from nic_core import native
from nic_core.coding.kernels import Kernels
from nic_core.coding.pure import PureKernels


@lru_cache(maxsize=1)
def kernels() -> Kernels:
    """Return what runs in this process."""
    if native.why_not():
        return PureKernels()
    from nic_native.rans import NativeKernels

    return NativeKernels()
