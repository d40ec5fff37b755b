"""An environment of its own with all that is installed here, to install distributions in as a stranger would."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

OFFLINE = ("error sending request", "dns error", "Network connectivity", "offline", "failed to lookup address")
"""What uv says where the package registry, which builds need hatchling from, cannot be reached."""

PROGRAM = """#!{python}
from nic_core.cli import main

if __name__ == "__main__":
    main()
"""
"""The command `nic` of the environment."""


class Stranger:
    """See the module. folder: of the environment, which is made there; work: where commands run."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.work = folder, work
        self._uv("venv", "--quiet", "--python", sys.executable, folder)
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "running.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        program = folder / "bin" / "nic"
        program.write_text(PROGRAM.format(python=folder / "bin" / "python"))
        program.chmod(0o755)

    def install(self, *arguments: str | Path) -> None:
        """Install a distribution without what it depends on, which is there; skip where nothing can be built."""
        self._uv("pip", "install", "--quiet", "--no-deps", "--python", self.folder / "bin" / "python", *arguments)

    def wheel(self, project: str | Path, folder: str | Path) -> None:
        """Build a wheel into a folder."""
        self._uv("build", "--quiet", "--wheel", "--out-dir", folder, project)

    def run(self, *command: str | Path) -> str:
        """Run a command to its end, which must be a good one; return what it printed."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NIC_", "PYTEST"))}
        environment = {**clean, "PATH": f"{self.folder / 'bin'}{os.pathsep}{clean['PATH']}", "OMP_NUM_THREADS": "1"}
        environment |= {"NIC_WEIGHTS": str(self.work / "no weights"), "NIC_GRAPHS": "0"}
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=self.work, env=environment)
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def _uv(self, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", "uv", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.work)
        if done.returncode and any(word in done.stderr for word in OFFLINE):
            pytest.skip("the package registry cannot be reached, from which builds get hatchling")
        assert done.returncode == 0, done.stderr
