"""Memory that a process keeps."""

import platform
import subprocess
import sys

import pytest

GLIBC = platform.libc_ver()[0] == "glibc"
REPEATED = """
import resource, sys, torch
from nic_nn.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(1 << 24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(8)))
"""


@pytest.mark.skipif(not GLIBC, reason="a setting of glibc")
def test_the_next_tensor_takes_the_pages_of_the_last() -> None:
    """64 MiB are 16 384 pages, which fault each time or, kept, once."""
    faults = {
        mode: int(subprocess.run([sys.executable, "-c", REPEATED, mode], capture_output=True, check=True).stdout)
        for mode in ("keep", "default")
    }
    assert faults["keep"] < 100 < faults["default"]
