"""Freed memory is kept."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from nic_core.memory import ALL, keep_freed_memory

kept = keep_freed_memory(*{"all": [ALL]}.get(sys.argv[1], []))
for _ in range(10):  # the first ones still take some from the system
    np.ones(1 << 24, np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(1 << 24, np.float32)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(int(kept), faults)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such setting")
@pytest.mark.parametrize("most", ["default", "all"])
def test_arrays_as_large_as_those_before_take_their_memory(most: str) -> None:
    kept, faults = subprocess.run([sys.executable, "-c", PROGRAM, most], capture_output=True, text=True).stdout.split()
    assert kept == "1"
    assert int(faults) < 1000  # 20 times 16384 pages otherwise, unless they are huge ones
