"""How picture files of strangers are read: all files of a folder, each read, refused, or crashed.

    hatch run python tools/benchmarks/read_corpus.py FOLDER

A file is refused when reading it raises BadPicture. Anything else that it raises is a crash, and so is a process that
dies; those are named. Prints the counts, the slowest files and the peak of memory.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from nic_core.errors import BadPicture
from nic_core.pictures import image_files


def main() -> int:
    """Read the files and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slowest", type=int, default=5, metavar="N", help="how many of the slowest files to name")
    parser.add_argument("--from", type=int, default=0, dest="start", help=argparse.SUPPRESS)
    options = parser.parse_args()
    files = sorted(path for path in options.folder.rglob("*") if path.is_file())
    if options.start:
        return read_all(files, options.start - 1)
    counts: Counter[str] = Counter()
    times: list[tuple[float, Path]] = []
    at = 0
    while at < len(files):  # a new process goes on behind a file that killed the last one
        command = [sys.executable, __file__, str(options.folder), "--from", str(at + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                result, seconds = line.split()
                counts[result] += 1
                times.append((float(seconds), files[at]))
                at += 1
        if process.returncode:
            print(f"the process died (exit code {process.returncode}) of {files[at]}")
            counts["crashed"] += 1
            at += 1
    print(f"{len(files)} files: {counts['read']} read, {counts['refused']} refused, {counts['crashed']} crashed")
    for seconds, path in sorted(times, reverse=True)[: options.slowest]:
        print(f"{seconds:7.2f} s  {path}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3:.0f} MB")
    return 1 if counts["crashed"] else 0


def read_all(files: list[Path], start: int) -> int:
    """Read files from one on, and print a line for each."""
    for path in files[start:]:
        began = time.perf_counter()
        try:
            image_files.read(path)
            result = "read"
        except BadPicture:
            result = "refused"
        except Exception as error:  # what must not happen, and is counted here
            result = "crashed"
            print(f"{path}: {error!r}", file=sys.stderr)
        print(result, f"{time.perf_counter() - began:.3f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
