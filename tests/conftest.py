"""Distributions as they would be published, and clean environments that they are installed into."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import release


def uv(*args: object) -> str:
    """Run uv and return what it says; a test fails with what it says of errors."""
    done = subprocess.run([sys.executable, "-m", "uv", *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Environment:
    """A virtual environment that sees nothing of this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, program: str, *args: object) -> subprocess.CompletedProcess[str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NIC_"))}
        command = [self.folder / "bin" / program, *args]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=clean, cwd=self.folder)

    def said(self, program: str, *args: object) -> str:
        done = self.run(program, *args)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def packages(self) -> set[str]:
        return {line.split()[0] for line in uv("pip", "list", "--python", self.folder).splitlines()[2:]}

    def check(self) -> None:
        """Fail where what is installed does not fit together."""
        uv("pip", "check", "--python", self.folder)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a wheel and an sdist of every distribution; wheels are built from the sdists."""
    folder = tmp_path_factory.mktemp("built")
    release.build(folder)
    return folder


@pytest.fixture
def make_environment(tmp_path: Path, built: Path) -> Iterator[Callable[..., Environment]]:
    """Return a function that installs distributions into a clean environment, which goes when the test ends."""

    def make(*distributions: str, python: str = sys.executable) -> Environment:
        folder = tmp_path / "venv"
        uv("venv", "--quiet", "--python", python, folder)
        uv("pip", "install", "--quiet", "--python", folder, "--find-links", built, *distributions)
        return Environment(folder)

    yield make
    shutil.rmtree(tmp_path / "venv", ignore_errors=True)
