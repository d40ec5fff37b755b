"""docs/format.md against the code: a reader written from it alone, and its worked example."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nic_core as nic
import pytest
from nic_core.format.container import File, Header, pack, unpack
from nic_core.format.tiling import Tiling

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "plugins" / "nic-mini" / "tests" / "golden"
READER = ROOT / "docs" / "examples" / "read_header.py"
FACTS = ("width", "height", "channels", "bit_depth", "codec", "coder", "entropy_id", "synthesis_id", "quality")


def read(path: Path) -> dict:
    """Return what the example reader prints."""
    done = subprocess.run([sys.executable, "-I", "-S", READER, path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def compare(found: dict, data: bytes) -> None:
    """Check a header against core's."""
    head, file = nic.inspect(data), unpack(data)
    assert {key: found[key] for key in FACTS} == {key: getattr(head, key) for key in FACTS}
    assert found["checksum"] == head.checksum
    assert bytes.fromhex(found["params"]) == head.params
    assert found["units"] == [len(unit) for unit in file.units]
    assert found["chunks"] == {kind: len(chunk) for kind, chunk in file.chunks.items()}


@pytest.mark.parametrize("name", ["rgb", "gray", "deep", "high"])
def test_the_example_reader_reads_golden_files(name: str) -> None:
    path = GOLDEN / f"{name}.nic"
    compare(read(path), path.read_bytes())


def test_the_example_reader_reads_every_field(tmp_path: Path) -> None:
    head = Header(
        70_000, 300, 1, 16, "some-codec", "other", "0123abcd", "fedc9876", None, 9, b"p" * 200, Tiling(40_000, 200, 2)
    )
    data = pack(File(head, tuple(bytes(200 * i) for i in range(8)), {"alph": b"1" * 20_000, "newb": b""}))
    path = tmp_path / "a.nic"
    path.write_bytes(data)
    compare(read(path), data)
    path.write_bytes(data[:-1])
    with pytest.raises(subprocess.CalledProcessError):
        read(path)


def test_the_worked_example_is_a_golden_file() -> None:
    text = (ROOT / "docs" / "format.md").read_text()
    example = text.partition("## An example")[2].partition("```\n")[2].partition("```")[0]
    data = bytearray()
    for line in example.splitlines():
        offset, digits = re.fullmatch(r" *(\d+)  ((?:[0-9a-f]{2} ?)+?)(?:  .*)?", line).groups()
        assert int(offset) == len(data)
        data += bytes.fromhex(digits)
    assert bytes(data) == (GOLDEN / "gray.nic").read_bytes()
