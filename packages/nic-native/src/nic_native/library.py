"""The compiled library, beside this file: made when the package is built (compiling.py), loaded when first asked for.

Nothing here imports numpy.
"""

import ctypes
import os
import sys
from functools import lru_cache
from pathlib import Path

NIC_NATIVE = "NIC_NATIVE"
"""Environment variable: 0 leaves the library alone."""

FOLDER = Path(__file__).parent
FILE = FOLDER / {"win32": "kernels.dll", "darwin": "kernels.dylib"}.get(sys.platform, "kernels.so")
FAILURE = FOLDER / "not_compiled.txt"
"""What the build leaves in place of a library: one line that says why there is none."""

INTERFACE = 4
"""NIC_INTERFACE of the C sources that this package calls."""


@lru_cache(maxsize=1)
def load() -> tuple[ctypes.CDLL | None, str]:
    """Return the library, or None and why there is none, in a few words."""
    if os.environ.get(NIC_NATIVE) == "0":
        return None, f"{NIC_NATIVE}=0 is set"
    if not FILE.exists():
        return None, FAILURE.read_text(encoding="utf-8").strip() if FAILURE.exists() else "it was not compiled"
    try:
        library = ctypes.CDLL(str(FILE))
        found = library.nic_interface()
    except (OSError, AttributeError) as error:
        return None, f"its library does not load: {str(error).splitlines()[0]}"
    if found != INTERFACE:
        return None, "its library was compiled from other sources: install it again"
    return library, ""


def why_not() -> str:
    """Return why the compiled kernels are not in use, "" where they are."""
    return load()[1]
