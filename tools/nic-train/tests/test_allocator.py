"""Freed memory is kept."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from nic_train.allocator import keep_freed_memory
import torch

kept = keep_freed_memory()
for _ in range(10):  # the first ones still take some from the system
    torch.ones(1 << 24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(1 << 24)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(int(kept), faults)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such setting")
def test_tensors_as_large_as_those_before_take_their_memory() -> None:
    kept, faults = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True).stdout.split()
    assert kept == "1"
    assert int(faults) < 1000  # 20 times 16384 pages otherwise, unless they are huge ones
