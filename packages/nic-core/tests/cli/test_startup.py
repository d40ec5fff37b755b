"""Verbs that only look something up import nothing that takes long."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nic_core as nic
import numpy as np
import pytest
from nic_core.pictures.picture import Picture

SLOW = ("PIL", "imagecodecs", "numpy", "rich", "safetensors", "tifffile", "torch")
SCRIPT = """
import json, sys
from nic_core.cli import run
code = run(sys.argv[2:])
print(json.dumps([code, [name for name in json.loads(sys.argv[1]) if name in sys.modules]]))
"""


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--completion", "bash"], ["codecs"], ["plugins"], ["info", "a.nic"]]
)
def test_nothing_slow_is_imported(
    arguments: list[str], fake: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    picture = Picture(pixels[..., :3], pixels[..., 3], b"profile", b"II", b"<x/>", (72.0, 72.0))
    Path("a.nic").write_bytes(nic.encode(picture))  # with every chunk that there is
    command = [sys.executable, "-c", SCRIPT, json.dumps(SLOW), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []]
