"""Every importer answers to anything with one line, and runs nothing that is in it."""

import zipfile
from pathlib import Path

import pytest
import torch
from nic_core import plugins
from nic_core.cli import run

CODECS = sorted({spec.codec for _, spec in plugins.records("nic_importers")})


class Trap:
    """Makes a file where it is unpickled by anything that runs code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return Path.touch, (self.folder / "sprung",)


@pytest.fixture
def foreign(tmp_path: Path) -> list[Path]:
    """Return files that are no checkpoints."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    contents = {
        "empty.ckpt": b"",
        "text.json": b"[" * 100_000,
        "value.json": b'{"base": NaN}',
        "noise.pth": bytes(range(256)) * 16,
        "cut.index": b"\x00\x00\x01\x02",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    torch.save({"state_dict": {"a": Trap(tmp_path)}}, folder / "trap.ckpt")
    torch.save(Trap(tmp_path), folder / "old.ckpt", _use_new_zipfile_serialization=False)
    torch.save([torch.zeros(2)], folder / "list.ckpt")
    (folder / "short.ckpt").write_bytes((folder / "list.ckpt").read_bytes()[:-100])
    with zipfile.ZipFile(folder / "other.zip", "w") as archive:
        archive.writestr("archive/data.pkl", b"no pickle")
    (folder / "a folder").mkdir()
    return sorted(folder.iterdir())


@pytest.mark.parametrize("codec", CODECS)
def test_foreign_files(codec: str, foreign: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for path in foreign:
        assert run(["weights", "import", codec, str(path), "-o", str(tmp_path / "w.safetensors")]) == 1, path
        error = capsys.readouterr().err
        assert error.startswith("nic: ") and error.count("\n") == 1 and "unexpected" not in error, (path, error)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign"]
