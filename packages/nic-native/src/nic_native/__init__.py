"""The inner loops of nic in C, called from numpy arrays with the GIL released; `library` says whether they are there.

Everything here has a form in Python or numpy with the same results, which takes over where there is no library.
"""

from nic_native.library import NIC_NATIVE, why_not

__all__ = ["NIC_NATIVE", "__version__", "why_not"]
__version__ = "0.1.0"
