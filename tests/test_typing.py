"""A host program in strict types: hints that hold, in distributions that say they have them."""

import subprocess
import sys
from pathlib import Path

import nic_core as nic
import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = Path(__file__).with_name("typed_host.py")


def test_a_host_program_passes_mypy_strict(tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(config), "--cache-dir", str(tmp_path)]
    done = subprocess.run([*command, str(PROGRAM)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_program_uses_every_public_name() -> None:
    text = PROGRAM.read_text()
    assert not [name for name in nic.__all__ if f"nic.{name}" not in text]
    assert "ignore" not in text


@pytest.mark.parametrize(
    "package", sorted(path.parent for path in ROOT.glob("*/nic-*/src/*/__init__.py")), ids=lambda path: path.name
)
def test_every_distribution_says_that_it_is_typed(package: Path) -> None:
    assert (package / "py.typed").exists()
