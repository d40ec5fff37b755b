"""How much main memory this process has held at most."""

import sys
from contextlib import suppress
from pathlib import Path


def reset_peak_memory() -> None:
    """Begin a new maximum, where the system can (Linux); elsewhere it is that of the process's life."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Return the most that this process has had since `reset_peak_memory`, or since it began; bytes.

    0 where the system does not say.
    """
    with suppress(OSError):  # Linux: getrusage would give the parent's peak, where that was higher when it forked
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource  # not on Windows
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
