"""Compiles the C sources into src/nic_native; needs nothing but Python and a compiler.

    python packages/nic-native/compiling.py

The build of the package does the same (hatch_build.py); this is for who changes the sources. A compiler is one named in
CC, cc, gcc or clang where found, otherwise the package `ziglang`, a whole C toolchain in a wheel.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).parent / "src" / "nic_native"
LIBRARY = FOLDER / {"win32": "kernels.dll", "darwin": "kernels.dylib"}.get(sys.platform, "kernels.so")
FAILURE = FOLDER / "not_compiled.txt"
FLAGS = ("-std=c11", "-O3", "-DNDEBUG", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-fno-math-errno")
ZIG_RUNS_ON = {
    "linux": {"x86_64", "aarch64"},
    "darwin": {"x86_64", "arm64"},
    "win32": {"AMD64", "ARM64"},
}


def compiler() -> list[str] | None:
    """Return the command of this machine's compiler, None where there is none."""
    if named := shlex.split(os.environ.get("CC", "")):
        return named
    return next(([found] for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def needed() -> list[str]:
    """Return what a build has to install first: a compiler, where the machine has none and there is one for it."""
    return [] if compiler() or platform.machine() not in ZIG_RUNS_ON.get(sys.platform, ()) else ["ziglang>=0.13"]


def compile_library() -> str:
    """Compile the library. Returns "", or why there is none; then FAILURE holds that line in its place."""
    LIBRARY.unlink(missing_ok=True)
    FAILURE.unlink(missing_ok=True)
    reason = _compile(LIBRARY)
    if reason:
        LIBRARY.unlink(missing_ok=True)
        FAILURE.write_text(reason + "\n", encoding="utf-8")
    return reason


def _compile(target: Path) -> str:
    command = compiler() or (
        [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"] if find_spec("ziglang") else None
    )
    if command is None:
        return "no C compiler was found when it was installed"
    position = () if sys.platform == "win32" else ("-fPIC",)
    sources = sorted(map(str, (FOLDER / "c").glob("*.c")))
    try:
        done = subprocess.run(
            [*command, *FLAGS, *position, "-o", str(target), *sources], capture_output=True, text=True, check=False
        )
    except OSError as error:
        return f"the C compiler {command[0]} did not run when it was installed: {error}"
    if done.returncode:
        errors = (line for line in done.stderr.splitlines() if "error" in line.lower())
        says = next(errors, f"exit code {done.returncode}")
        return f"the C compiler {command[0]} failed when it was installed: {says}"
    return ""


if __name__ == "__main__":
    sys.exit(compile_library() or None)
