"""Parts of a package come without the rest of it, and are the package's own where somebody imports the whole."""

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = {
    "heavy/__init__.py": "from heavy import layers\nwhole = True\n",
    "heavy/layers/__init__.py": "from .wanted import Wanted\nfrom .unwanted import Unwanted\n",
    "heavy/layers/basis.py": "class Basis: pass\n",
    "heavy/layers/wanted.py": "from .basis import Basis\nclass Wanted(Basis): pass\n",
    "heavy/layers/unwanted.py": "class Unwanted: pass\n",
}
BEGIN = """
import sys
sys.path.insert(0, sys.argv[1])
from nic_nn.nets.parts import load_parts
NAMES = ("heavy.layers.basis", "heavy.layers.wanted")
"""
WORKS = {
    "parts alone": """
wanted = load_parts("heavy", NAMES)["heavy.layers.wanted"]
assert issubclass(wanted.Wanted, sys.modules["heavy.layers.basis"].Basis)
assert {name for name in sys.modules if name.startswith("heavy")} == set(NAMES)
""",
    "the whole afterwards": """
parts = load_parts("heavy", NAMES)
import heavy
assert heavy.whole and heavy.layers.Unwanted
assert heavy.layers.Wanted is heavy.layers.wanted.Wanted is parts["heavy.layers.wanted"].Wanted
assert heavy.layers.basis is parts["heavy.layers.basis"]
""",
    "the whole before": """
import heavy.layers
assert load_parts("heavy", NAMES)["heavy.layers.wanted"].Wanted is heavy.layers.Wanted
""",
    "no such part": """
try:
    load_parts("heavy", ("heavy.layers.missing",))
except ModuleNotFoundError as error:
    assert error.name == "heavy.layers.missing"
else:
    raise AssertionError
""",
}


@pytest.mark.parametrize("name", list(WORKS))
def test_parts(name: str, tmp_path: Path) -> None:
    for file, text in PACKAGE.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + WORKS[name], str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
