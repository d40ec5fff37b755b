"""What `nic weights import` keeps of a checkpoint, and what becomes of several; `nic weights export`."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import nic_core
import numpy as np
import pytest
from nic_core import weights
from nic_core.cli import run
from nic_core.weights.origin import stem_of
from nic_core.weights.record import read_info

PLUGIN = """
from nic_core.hooks import hookimpl
from nic_core.spec import CodecSpec, ImporterSpec
api_version = "1.1"

@hookimpl
def nic_codecs():
    yield CodecSpec("one", "nic_fake.codec:ZipCodec", "Deflated pixels.")
    yield CodecSpec("bare", "nic_fake.codec:ZipCodec", "Deflated pixels.")

@hookimpl
def nic_importers():
    yield ImporterSpec(
        "one", "nic_fake.codec:take_over", "Copies.", tradeoff="one_plugin:tradeoff", exporter="one_plugin:write"
    )
    yield ImporterSpec("bare", "nic_fake.codec:take_over", "Copies.")

def tradeoff(beta):
    if beta == 13:
        raise KeyError(beta)
    return -1 if beta == 14 else 0.05 / (beta + 1)

def write(codec, source, output):
    output.write_bytes(codec.encode() + source.read_bytes()[:8])
"""
Import = Callable[..., int]


@pytest.fixture
def import_(
    fake: ModuleType, install: Callable[..., Path], make_weights: Callable[..., Path], tmp_path: Path
) -> Import:
    """Return a function that imports a checkpoint of a name, which differs from others by a number, with flags."""
    install("nic-one", {"one_plugin.py": PLUGIN}, "one = one_plugin")

    def run_import(name: str, number: int, *flags: str, codec: str = "one", **fields: object) -> int:
        path = make_weights(tmp_path / "authors" / name, codec, stem_of(name), synthesis=number, **fields)
        return run(["weights", "import", codec, str(path), *flags])

    return run_import


def test_names_of_folders_make_a_ladder(import_: Import, store: Path, capsys: pytest.CaptureFixture) -> None:
    for number, beta in enumerate(("0.3", "0.85", "3.5")):
        assert import_(f"{beta}/ckpttars/checkpoint_best.pth.tar", number) == 0
    out = capsys.readouterr().out
    assert f"wrote {store / 'one' / 'one-0.3.safetensors'} (one, entropy " in out
    assert "they are called one-0.3, lambda 0.3, quality 93.7\n" in out
    codec = nic_core.load("one")
    assert codec.ladder == [64.0, 85.3, 93.7]
    by_name = {spec.name: spec for spec in weights.stored()}
    for quality, name in ((60, "one-3.5"), (85, "one-0.85"), (99, "one-0.3")):
        data = codec.encode(np.zeros((2, 2, 3), np.uint8), quality)
        assert nic_core.inspect(data).synthesis_id == by_name[name].synthesis_id
    info = read_info(Path(by_name["one-0.85"].location))
    assert (info.lmbda, info.provenance["lambda"]) == (0.05 / 1.85, 0.85)


def test_flags_say_what_no_name_does(import_: Import, store: Path, capsys: pytest.CaptureFixture) -> None:
    assert import_("best.pth.tar", 0, "--lambda", "1.8") == 0
    assert import_("best.pth.tar", 1, "--quality", "12.5", "--name", "my own") == 0
    specs = {spec.name: spec.quality for spec in weights.stored()}
    assert specs == {"one-1.8": 75.3, "my own": 12.5}
    assert (store / "one" / "my_own.safetensors").exists()


def test_what_a_checkpoint_states_itself(import_: Import, store: Path) -> None:
    assert import_("best.pth", 0, provenance={"lambda": 0.85, "summary": "Hi"}) == 0
    (spec,) = weights.stored()
    assert (spec.name, spec.quality, spec.summary) == ("best", 85.3, "Hi")
    assert import_("other.pth", 1, "--lambda", "3.5", provenance={"lambda": 0.85}) == 0
    assert {spec.quality for spec in weights.stored()} == {85.3, 64.0}


@pytest.mark.parametrize("stated", ["0.85", -1, True, float("1e999")])
def test_what_a_checkpoint_cannot_state(import_: Import, store: Path, stated: object) -> None:
    fields = {} if stated == float("1e999") else {"provenance": {"lambda": stated}}
    assert import_("best.pth", 0, **fields) == 0
    assert next(weights.stored()).quality is None


def test_weights_of_a_range_keep_it(import_: Import, store: Path) -> None:
    assert import_("best.pth", 0, quality=(1.0, 90.0), provenance={"lambda": 0.85}) == 0
    assert next(weights.stored()).quality == (1.0, 90.0)


def test_where_nothing_tells_the_lambda_that_is_said(
    import_: Import, store: Path, capsys: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    assert import_("first.pth", 0) == 0
    told = "they are called first; nothing tells their rate, so -q does not choose them (--lambda, --quality)\n"
    assert told in capsys.readouterr().out
    assert import_("second.pth", 1) == 0
    nic_core.load("one").encode(np.zeros((2, 2, 3), np.uint8), 60)
    assert "2 weights of one do not say theirs, first is taken; name one with --weights (first, second)" in caplog.text


def test_a_second_of_one_name_is_refused(import_: Import, store: Path, capsys: pytest.CaptureFixture) -> None:
    assert import_("a/checkpoint.pth", 0) == 0
    before = (store / "one" / "checkpoint.safetensors").read_bytes()
    assert import_("b/checkpoint.pth", 1) == 1
    assert "is there already; --overwrite replaces it, another --name keeps both" in capsys.readouterr().err
    assert import_("b/checkpoint.pth", 1, "-o", str(store / "one" / "free.safetensors")) == 1
    assert "named checkpoint are in your store already: give these another --name" in capsys.readouterr().err
    assert import_("b/checkpoint.pth", 1, "--name", "other") == 0
    assert (store / "one" / "checkpoint.safetensors").read_bytes() == before
    (store / "one" / "other.safetensors").rename(store / "one" / "renamed.safetensors")
    assert import_("c/checkpoint.pth", 2, "--name", "other") == 1
    assert "weights of one named other are in your store already: give these another --name" in capsys.readouterr().err
    assert import_("b/checkpoint.pth", 1, "--overwrite") == 0
    assert (store / "one" / "checkpoint.safetensors").read_bytes() != before


def test_an_equal_quality_is_said(import_: Import, store: Path, capsys: pytest.CaptureFixture) -> None:
    assert import_("a.pth", 0, "--quality", "40") == 0
    assert import_("b.pth", 1, "--quality", "40") == 0
    assert "a has that quality, too: --quality gives these another, for -q to choose" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--quality", "0"], 1, "quality must be 1 to 100"),
        (["--name", ""], 0, ""),
        (["--name", "a\x1b[2J"], 1, "a name is at most 100 characters that print"),
        (["--name", "a" * 101], 1, "a name is at most 100 characters that print"),
        (["--lambda", "0"], 2, "0.0 is not in the range x>0"),
        (["--lambda", "13"], 1, "the importer of one failed in comparing trade-offs: KeyError"),
        (["--lambda", "14"], 1, "the importer of one failed in comparing trade-offs: ValueError"),
    ],
)
def test_flags_that_cannot_be(
    import_: Import, store: Path, flags: list[str], code: int, says: str, capsys: pytest.CaptureFixture
) -> None:
    assert import_("best.pth", 0, *flags) == code
    assert says in capsys.readouterr().err
    if code:
        assert list(weights.stored()) == [] and not list(store.glob("*/.nic*"))


def test_export_calls_the_plugin(
    import_: Import, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert import_("0.3.pth", 0) == 0
    out = tmp_path / "out.pth"
    assert run(["weights", "export", "one-0.3", "--authors", str(out)]) == 0
    stored = store / "one" / "one-0.3.safetensors"
    assert out.read_bytes() == b"one" + stored.read_bytes()[:8]
    assert f"wrote {out}, a checkpoint for the code of one's authors" in capsys.readouterr().out
    for arguments, says in (
        ([str(stored)], "is there already; --overwrite replaces it"),
        (["absent"], "'absent' is neither a weights file nor a name from 'nic weights'"),
        (["any"], "zip has no exporter"),
    ):
        assert run(["weights", "export", *arguments, "--authors", str(out)]) == 1
        assert says in capsys.readouterr().err
    assert run(["weights", "export", str(stored), "--authors", str(out), "--overwrite"]) == 0
    assert import_("0.3.pth", 1, "--name", "one-0.3", codec="bare") == 0
    capsys.readouterr()
    assert run(["weights", "export", "one-0.3", "--authors", str(tmp_path / "new")]) == 1
    assert "bare and one have weights named one-0.3: say which with --codec" in capsys.readouterr().err
    assert run(["weights", "export", "one-0.3", "--codec", "one", "--authors", str(tmp_path / "new")]) == 0
