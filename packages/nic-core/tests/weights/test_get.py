"""`nic weights get`: the real loaders against a server of this machine, to weights that encode."""

import hashlib
import io
import json
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import nic_core
import numpy as np
import pytest
from nic_core import weights
from nic_core.cli import run
from nic_core.errors import WeightsNotFound
from nic_core.weights import WeightsInfo, fingerprint
from nic_core.weights.record import read_info
from safetensors.numpy import save

FILE = "1" * 33
FOLDER = "F" * 33
PLUGIN = """
from nic_core.hooks import hookimpl
from nic_core.spec import CheckpointSpec
api_version = "1.1"

@hookimpl
def nic_checkpoints():
    for fields in {records!r}:
        yield CheckpointSpec(**fields)
"""
Offer = Callable[..., None]


def archive(**members: bytes) -> bytes:
    """Return a zip archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, value in members.items():
            opened.writestr(name, value)
    return content.getvalue()


ALTERED = archive(**{"a_lmbda0.3.pt": b"content"}).replace(zlib.compress(b"content", wbits=-15), b"\x07" * 9)


@pytest.fixture
def offer(fake: ModuleType, install: Callable[..., Path]) -> Offer:
    """Return a function that installs a plugin whose records have these fields; the codec is `zip-rate`."""

    def put(*records: dict[str, Any]) -> None:
        common = {"codec": "zip-rate", "licence": "CC0-1.0", "page": "https://authors.example/page"}
        found = [{**common, **record} for record in records]
        install("nic-offer", {"offer_plugin.py": PLUGIN.format(records=found)}, "offer = offer_plugin")

    return put


@pytest.fixture
def importing(fake: ModuleType, install: Callable[..., Path]) -> None:
    """Let `zip-rate` have an importer, whose checkpoints are weights files."""
    source = (
        "from nic_core.hooks import hookimpl\nfrom nic_core.spec import ImporterSpec\napi_version = '1.1'\n"
        "@hookimpl\ndef nic_importers():\n"
        "    yield ImporterSpec('zip-rate', 'nic_fake.codec:take_over', 'Copies.', tradeoff='rate_plugin:tradeoff')\n"
        "def tradeoff(beta):\n    return 0.05 / (beta + 1)\n"
    )
    install("nic-rate", {"rate_plugin.py": source}, "rate = rate_plugin")


@pytest.fixture
def checkpoint(importing: None) -> Callable[..., bytes]:
    """Return a function that makes a checkpoint's bytes, by a number that tells it from others.

    It is some pieces long: of a piece that is cut nothing is kept.
    """

    def make(number: int = 0, length: int = 500_000) -> bytes:
        deciding, rest = {"a": np.arange(3, dtype=np.float32)}, {"g_s.b": np.full(2, number, np.float32)}
        info = WeightsInfo("zip-rate", "theirs", {}, fingerprint(deciding, {}), fingerprint(rest, {}))
        tensors = {**deciding, **rest, "h_a.c": np.arange(length, dtype=np.float32)}
        return save(tensors, info.to_metadata())

    return make


def drive(file: str = FILE) -> str:
    """Return the address of a file on Drive."""
    return f"https://drive.google.com/file/d/{file}"


def got(*arguments: str) -> int:
    """Run `nic weights get zip-rate` and return its exit code."""
    return run(["weights", "get", "zip-rate", *arguments])


def in_store(store: Path) -> dict[str, Path]:
    """Return the weights files in the store by name."""
    return {path.name: path for path in store.glob("*/*.safetensors")}


def left(store: Path) -> list[str]:
    """Return the names of all files in the store but weights and sums."""
    files = [path for path in store.rglob("*") if path.is_file()]
    return sorted(path.name for path in files if path.suffix != ".safetensors" and path.name != "downloads.json")


def test_the_list(offer: Offer, capsys: pytest.CaptureFixture) -> None:
    offer({"name": "a", "location": drive(), "lmbda": 0.3, "size": 2_000_000}, {"name": "b", "location": drive()})
    assert run(["weights", "get"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        ["zip-rate", "a", "0.3", "2", "MB", "CC0-1.0", "https://authors.example/page"],
        ["zip-rate", "b", "by", "name", "unknown", "CC0-1.0", "https://authors.example/page"],
    ]
    assert run(["weights", "get", "--json"]) == 0
    assert [record["lmbda"] for record in json.loads(capsys.readouterr().out)] == [0.3, None]


def test_records_of_codecs_that_are_not_installed_are_passed_over(offer: Offer, capsys: pytest.CaptureFixture) -> None:
    offer({"codec": "nowhere", "name": "a", "location": drive()})
    assert run(["weights", "get"]) == 0
    assert capsys.readouterr().out == "no installed plugin knows of checkpoints to download\n"
    assert run(["weights", "get", "nowhere"]) == 1


@pytest.mark.parametrize("large", [False, True], ids=["small", "confirmed"])
def test_from_drive_to_a_file(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, large: bool, capsys: pytest.CaptureFixture
) -> None:
    shop.files[FILE] = checkpoint()
    shop.large = {FILE} if large else set()
    offer({"name": "rate-0.3", "location": drive(), "lmbda": 0.3})
    assert got("--yes") == 0
    out = capsys.readouterr().out
    assert "rate-0.3    0.3     2 MB  CC0-1.0  https://drive.google.com/file/d/111" in out
    assert "published at https://authors.example/page" in out
    info = read_info(in_store(store)["rate-0.3.safetensors"])
    assert (info.name, info.licence, info.quality) == ("rate-0.3", "CC0-1.0", 93.7)
    assert info.lmbda == pytest.approx(0.05 / 1.3)
    assert info.provenance["lambda"] == 0.3
    assert info.provenance["source"] == {
        "location": drive(),
        "member": "",
        "sha256": hashlib.sha256(shop.files[FILE]).hexdigest(),
        "page": "https://authors.example/page",
    }
    assert left(store) == []
    picture = np.zeros((4, 4, 3), np.uint8)
    codec = nic_core.load("zip-rate")
    assert nic_core.inspect(codec.encode(picture, 95)).synthesis_id == info.synthesis_id
    assert got("--yes") == 0
    assert capsys.readouterr().out == "rate-0.3 is in your store already\n"


def test_a_folder_becomes_a_ladder(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, capsys: pytest.CaptureFixture
) -> None:
    ids = {beta: f"{index}" * 30 for index, beta in enumerate(("0.3", "0.85", "1.8"), 1)}
    shop.files |= {id: checkpoint(int(id[0])) for id in ids.values()}
    inner = "I" * 33
    shop.folders[FOLDER] = [
        ("R" * 30, "README.md"),
        *[(ids[b], f"{b}.pth.tar") for b in ("1.8", "0.3")],
        (inner, "more"),
    ]
    shop.folders[inner] = [(ids["0.85"], "0.85.pth.tar")]
    offer({"name": "rate", "location": f"https://drive.google.com/drive/folders/{FOLDER}", "member": r".*\.pth\.tar"})
    assert got("--lambda", "0.85", "--yes") == 0
    assert sorted(in_store(store)) == ["rate-0.85.safetensors"]
    assert got("--all", "--yes") == 0
    assert "rate (more/0.85.pth.tar) is in your store already" in capsys.readouterr().out
    ladder = sorted((spec.quality, spec.name) for spec in weights.stored())
    assert [name for _, name in ladder] == ["rate-1.8", "rate-0.85", "rate-0.3"]
    assert left(store) == []
    assert got("--lambda", "5", "--yes") == 1
    assert "zip-rate has no checkpoint of lambda 5: there are 0.3.pth.tar, 1.8.pth.tar" in capsys.readouterr().err


def test_a_cut_transfer_goes_on(shop: Any, offer: Offer, checkpoint: Any, store: Path) -> None:
    shop.files[FILE] = content = checkpoint()
    offer({"name": "a", "location": drive(), "lmbda": 0.3, "size": len(content)})
    shop.cuts[FILE] = 1
    assert got("--yes") == 0
    assert shop.asked[0] == (FILE, 0) and 0 < shop.asked[-1][1] <= len(content) // 2
    assert (
        read_info(in_store(store)["a.safetensors"]).provenance["source"]["sha256"]
        == hashlib.sha256(content).hexdigest()
    )


@pytest.mark.parametrize("where", ["drive", "plain"])
def test_a_cut_run_goes_on_next_time(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, where: str, capsys: pytest.CaptureFixture
) -> None:
    name = FILE if where == "drive" else "w.ckpt"
    shop.files[name] = content = checkpoint()
    location = drive() if where == "drive" else f"{shop.address}/{name}"
    offer({"name": "a", "location": location, "lmbda": 0.3, "size": len(content)})
    shop.cuts[name] = 9
    assert got("--yes") == 1
    assert "cannot fetch" in capsys.readouterr().err
    assert in_store(store) == {} and any(name.endswith(".part") for name in left(store))
    shop.cuts.clear()
    shop.asked.clear()
    assert got("--yes") == 0
    assert shop.asked[-1][1] > 0
    assert left(store) == []
    assert len(in_store(store)) == 1


@pytest.mark.parametrize("where", ["drive", "plain"])
def test_another_file_than_the_one_that_was_cut_begins_anew(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, where: str
) -> None:
    name = FILE if where == "drive" else "w.ckpt"
    offer({"name": "a", "location": drive() if where == "drive" else f"{shop.address}/{name}", "lmbda": 0.3, "size": 1})
    shop.files[name] = checkpoint(0, 900_000)
    shop.cuts[name] = 9
    assert got("--yes") == 1
    shop.cuts.clear()
    shop.files[name] = checkpoint(1, 10)  # shorter than what is there
    assert got("--yes") == 0
    assert read_info(in_store(store)["a.safetensors"]).synthesis_id == read_info_of(checkpoint(1, 10), store.parent)
    assert left(store) == []


def read_info_of(content: bytes, folder: Path) -> str:
    """Return the synthesis fingerprint in a weights file's bytes."""
    (folder / "probe").write_bytes(content)
    return read_info(folder / "probe").synthesis_id


def test_ctrl_c_leaves_what_the_next_run_takes(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.files[FILE] = checkpoint()
    offer({"name": "a", "location": drive(), "lmbda": 0.3, "size": 1})
    with monkeypatch.context() as patch:
        patch.setattr("nic_fake.codec.shutil.copyfile", interrupt)
        assert got("--yes") == 130
    assert in_store(store) == {} and left(store) == ["a"]
    shop.asked.clear()
    assert got("--yes") == 0
    assert shop.asked == [] and left(store) == [] and len(in_store(store)) == 1


def interrupt(*_: object) -> None:
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("location", "says"),
    [
        (drive("gone"), "Too many users have viewed this file"),
        ("{}/login", "gave a web page instead of a file: see https://authors.example/page"),
        ("{}/absent", "404"),
    ],
)
def test_what_is_no_file(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, location: str, says: str, capsys: pytest.CaptureFixture
) -> None:
    offer({"name": "a", "location": location.format(shop.address), "lmbda": 0.3, "size": 1})
    assert got("--yes") == 1
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert in_store(store) == {} and left(store) == []
    assert not (store / "downloads.json").exists()


@pytest.mark.parametrize("where", ["drive", "plain"])
def test_what_is_too_large(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, where: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    shop.files |= {FILE: checkpoint(), "w": checkpoint()}
    monkeypatch.setattr("nic_core.weights.fetch.LARGEST", 100)
    offer({"name": "a", "location": drive() if where == "drive" else f"{shop.address}/w", "lmbda": 0.3})
    assert got("--yes") == 1
    assert "more than 100" in capsys.readouterr().err
    assert in_store(store) == {}


def test_an_archive_of_several(shop: Any, offer: Offer, checkpoint: Any, store: Path) -> None:
    members = {"models/m_lmbda0.3.pt": checkpoint(1), "models/m_lmbda1.8.pt": checkpoint(2), "read.me": b"hello"}
    shop.files["all.zip"] = archive(**members)
    offer({"name": "rate", "location": f"{shop.address}/all.zip", "member": r".*\.pt"})
    assert got("--lambda", "1.8", "--yes") == 0
    assert sorted(in_store(store)) == ["rate-1.8.safetensors"]
    assert got("--all", "--yes") == 0
    assert sorted(in_store(store)) == ["rate-0.3.safetensors", "rate-1.8.safetensors"]
    info = read_info(in_store(store)["rate-0.3.safetensors"])
    assert info.provenance["source"]["member"] == "models/m_lmbda0.3.pt"
    assert left(store) == []


@pytest.mark.parametrize("name", ["../../evil.pt", "/evil.pt", "a/../../evil.pt", "..\\evil.pt", "C:\\evil.pt"])
def test_an_archive_that_leads_out_of_itself(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, name: str, capsys: pytest.CaptureFixture
) -> None:
    shop.files["all.zip"] = archive(**{"sound_lmbda0.3.pt": checkpoint(), name: b"evil"})
    offer({"name": "rate", "location": f"{shop.address}/all.zip", "member": r".*\.pt"})
    assert got("--all", "--yes") == 1
    assert "leads out of it" in capsys.readouterr().err
    assert in_store(store) == {} and not list(store.parent.rglob("evil*"))


def test_an_archive_that_unpacks_to_too_much(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    shop.files["all.zip"] = archive(**{"a_lmbda0.3.pt": bytes(1 << 20)})
    monkeypatch.setattr("nic_core.weights.fetch.LARGEST", 1 << 18)
    offer({"name": "rate", "location": f"{shop.address}/all.zip", "member": r".*\.pt"})
    assert got("--all", "--yes") == 1
    assert "more than" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"no archive", ALTERED])
def test_a_damaged_archive(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, content: bytes, capsys: pytest.CaptureFixture
) -> None:
    shop.files["all.zip"] = content
    offer({"name": "rate", "location": f"{shop.address}/all.zip", "member": r".*\.pt"})
    assert got("--all", "--yes") == 1
    assert "is no zip archive, or a damaged one" in capsys.readouterr().err
    assert left(store) == []


def test_what_no_importer_reads_is_not_kept(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, capsys: pytest.CaptureFixture
) -> None:
    shop.files["w"] = b"no weights file"
    offer({"name": "a", "location": f"{shop.address}/w", "lmbda": 0.3})
    assert got("--yes") == 1
    assert "a is no nic weights file" in capsys.readouterr().err
    assert in_store(store) == {} and left(store) == [] and not (store / "downloads.json").exists()
    shop.files["w"] = checkpoint()
    assert got("--yes") == 0


def test_published_weights_are_advised(fake: ModuleType, offer: Offer) -> None:
    offer({"codec": "zip-bare", "name": "a", "location": drive()})
    with pytest.raises(WeightsNotFound, match="get published ones with 'nic weights get zip-bare', train"):
        nic_core.load("zip-bare").encode(np.zeros((2, 2, 3), np.uint8))


def test_another_file_at_the_same_address_is_noticed(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, capsys: pytest.CaptureFixture
) -> None:
    shop.files["w"] = checkpoint(0)
    offer({"name": "a", "location": f"{shop.address}/w", "lmbda": 0.3})
    assert got("--yes") == 0
    known = json.loads((store / "downloads.json").read_text())
    assert known == {f"{shop.address}/w": hashlib.sha256(shop.files["w"]).hexdigest()}
    shop.files["w"] = checkpoint(1)
    before = in_store(store)["a.safetensors"].read_bytes()
    assert got("--yes", "--overwrite") == 1
    assert f"{shop.address}/w has another file than before: SHA-256" in capsys.readouterr().err
    assert in_store(store)["a.safetensors"].read_bytes() == before
    assert got("--yes", "--overwrite", "--changed") == 0
    assert in_store(store)["a.safetensors"].read_bytes() != before
    assert got("--yes", "--overwrite") == 0


def test_a_record_can_say_the_digest(shop: Any, offer: Offer, checkpoint: Any, store: Path, capsys: Any) -> None:
    shop.files["w"] = checkpoint()
    right = hashlib.sha256(shop.files["w"]).hexdigest()
    at = {"location": f"{shop.address}/w", "lmbda": 0.3}
    offer({"name": "wrong", "sha256": "0" * 64, **at}, {"name": "right", "sha256": right, **at})
    assert got("--name", "wrong", "--yes") == 1
    assert "does not have the expected SHA-256; nothing was kept" in capsys.readouterr().err
    assert got("--name", "right", "--yes") == 0
    assert sorted(in_store(store)) == ["right.safetensors"]


def test_nothing_is_downloaded_unasked(
    shop: Any, offer: Offer, checkpoint: Any, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    shop.files["w"] = checkpoint()
    offer({"name": "a", "location": f"{shop.address}/w", "lmbda": 0.3, "size": 5_000_000})
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert got() == 1
    assert "standard input is no terminal, to ask whether to download this: --yes does so" in capsys.readouterr().err
    asked = []

    def answer(yes: bool) -> Callable[..., bool]:
        def confirm(*_: object, abort: bool, **__: object) -> bool:
            asked.append(capsys.readouterr().out)
            if not yes:
                raise click.Abort
            return True

        return confirm

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(click, "confirm", answer(False))
    assert got() == 130
    assert shop.asked == [] and in_store(store) == {}
    assert "5 MB  CC0-1.0" in asked[0]
    monkeypatch.setattr(click, "confirm", answer(True))
    assert got() == 0
    assert len(in_store(store)) == 1


def test_what_was_asked_for_must_be_clear(offer: Offer, capsys: pytest.CaptureFixture) -> None:
    record = {"location": drive()}
    offer(
        {"name": "a", "lmbda": 0.3, **record},
        {"name": "b", "lmbda": 0.85, **record},
        {"name": "data", "importable": False, **record},
    )
    for arguments, code, says in (
        (
            [],
            1,
            "zip-rate has 2 checkpoints, take one by --lambda or --name, or --all: a (lambda 0.3), b (lambda 0.85)",
        ),
        (["--lambda", "7"], 1, "no checkpoint of zip-rate of lambda 7 is published: there are a (lambda 0.3)"),
        (["--name", "c"], 1, "no checkpoint of zip-rate named c is published"),
        (["--name", "data"], 1, "data holds no weights of zip-rate: download it with --to DIR"),
        (["--all", "--name", "a"], 2, "exclude one another"),
    ):
        assert got(*arguments) == code
        assert says in capsys.readouterr().err
    assert run(["weights", "get", "--all"]) == 2
    assert run(["weights", "get", "zip"]) == 1
    assert "no installed plugin knows of checkpoints of zip to download" in capsys.readouterr().err


def test_only_downloaded(shop: Any, offer: Offer, checkpoint: Any, store: Path, tmp_path: Path) -> None:
    shop.folders[FOLDER] = [("1" * 30, "v.index"), ("2" * 30, "v.data-0"), ("3" * 30, "other.data-0")]
    shop.files |= {"1" * 30: b"index", "2" * 30: b"data", "3" * 30: b"other", "d": b"data"}
    folder = {"location": f"https://drive.google.com/drive/folders/{FOLDER}", "member": r"v\.index"}
    offer(
        {"name": "tf", "beside": r"v\.data.*", **folder},
        {"name": "data.zip", "location": f"{shop.address}/d", "importable": False},
    )
    assert got("--name", "tf", "--to", str(tmp_path / "out"), "--yes") == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        "v.index": b"index",
        "v.data-0": b"data",
    }
    assert got("--name", "data.zip", "--to", str(tmp_path / "out"), "--yes") == 0
    assert (tmp_path / "out" / "data.zip").read_bytes() == b"data"
    assert in_store(store) == {} and left(store) == []


def test_a_folder_without_what_is_wanted(shop: Any, offer: Offer, capsys: pytest.CaptureFixture) -> None:
    shop.folders[FOLDER] = [("1" * 30, "notes.txt")]
    offer({"name": "a", "location": f"https://drive.google.com/drive/folders/{FOLDER}", "member": r".*\.pt"})
    assert got("--yes") == 1
    assert "holds no a, but notes.txt" in capsys.readouterr().err


def test_without_gdown(offer: Offer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "gdown", None)
    offer({"name": "a", "location": drive(), "lmbda": 0.3})
    assert got("--yes") == 1
    assert capsys.readouterr().err == "nic: Google Drive is read by gdown: pip install 'nic-core[get]'\n"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"location": "ftp://a/b"}, "CheckpointSpec with location = 'ftp://a/b', which is no address"),
        ({"location": drive(), "member": "("}, "which is no regular expression"),
        ({"location": drive(), "quality": 0.5}, "CheckpointSpec with quality = 0.5, beyond 1 to 100"),
        ({"location": drive(), "lmbda": "0.3"}, "CheckpointSpec with lmbda = '0.3'"),
    ],
)
def test_records_are_checked(offer: Offer, fields: dict, says: str, capsys: pytest.CaptureFixture) -> None:
    offer({"name": "a", **fields})
    assert run(["plugins"]) == 0
    assert says in capsys.readouterr().out
