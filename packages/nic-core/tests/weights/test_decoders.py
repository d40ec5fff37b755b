"""One file, several decoders: chosen by name, and kept in files that hold a synthesis alone."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import nic_core as nic
import numpy as np
import pytest
from nic_core import cli, weights
from nic_core.errors import BadOption, BadWeights, WeightsNotFound
from nic_core.weights import WeightsInfo, completing, decoders
from nic_core.weights.record import DECODER_KEY
from nic_core.weights.tensors import read_head
from safetensors.numpy import load_file, save_file

Make = Callable[..., Path]
PIXELS = np.zeros((2, 3, 3), np.uint8)


@pytest.fixture
def pair(fake: ModuleType, make_weights: Make, tmp_path: Path) -> tuple[Path, Path]:
    """Return whole weights, which are in the store, and the decoder file `best` for files made with them."""
    whole = make_weights(tmp_path / "fast", "zip-bare", "same", quality=30.0, decoder="fast", rank=1)
    other = make_weights(tmp_path / "best.whole", "zip-bare", "same", synthesis=1, quality=30.0, decoder="best", rank=9)
    weights.add(whole)
    decoders.cut(other, tmp_path / "best")
    return whole, tmp_path / "best"


def used_for(codec: nic.Codec, data: bytes, **options: Any) -> WeightsInfo:
    """Return the record of what a file is decoded with."""
    codec.decode(data, **options)
    return codec.opened(codec.weights_for(nic.inspect(data), **options)).info


def altered(decoder: Path, tensors: dict[str, np.ndarray] | None = None, **record: Any) -> Path:
    """Write a decoder file again with more tensors, or another record."""
    info = replace(weights.read_info(decoder), **record)
    save_file(load_file(decoder) | (tensors or {}), decoder, info.to_metadata(DECODER_KEY))
    return decoder


def test_a_record_names_its_decoder(tmp_path: Path, make_weights: Make) -> None:
    assert weights.read_info(make_weights(tmp_path / "w", "zip", "a", decoder="best")).decoder == "best"
    plain = make_weights(tmp_path / "w", "zip", "a")
    record = json.loads(read_head(plain).metadata["nic"])
    del record["decoder"]  # as it was before there were any
    save_file(load_file(plain), plain, {"nic": json.dumps(record)})
    assert weights.read_info(plain).decoder == weights.spec_of(plain).decoder == ""
    with pytest.raises(ValueError, match="decoder has a value that it cannot have"):
        make_weights(tmp_path / "w", "zip", "a", decoder="\x1b[2J")


def test_a_decoder_is_chosen_by_its_name(pair: tuple[Path, Path]) -> None:
    data = nic.load("zip-bare").encode(PIXELS)
    with pytest.raises(WeightsNotFound, match=r"no decoder 'best' for zip-bare .* there are: fast\. It may come as a"):
        nic.decode(data, decoder="best")
    added = weights.add(pair[1])
    assert (added.decoder, added.rank) == ("best", -1)  # what the whole weights say of their rank is theirs
    codec = nic.load("zip-bare")
    assert used_for(codec, data).decoder == "fast"
    assert used_for(codec, data, decoder="fast").decoder == "fast"
    assert used_for(codec, data, decoder="best").decoder == "best"
    assert used_for(nic.load("zip-bare", pair[0]), data, decoder="best").decoder == "best"
    assert nic.inspect(codec.encode(PIXELS)).synthesis_id == nic.inspect(data).synthesis_id
    assert list(codec.decode_batch([data, data], decoder="best"))
    with pytest.raises(BadOption, match="has no decode option 'decoder'"):
        nic.load("zip").decode(data, decoder="best")


def test_a_decoder_of_another_entropy_model_is_none(
    pair: tuple[Path, Path], make_weights: Make, tmp_path: Path
) -> None:
    weights.add(make_weights(tmp_path / "w", "zip-bare", "else", quality=50.0, decoder="best"))
    data = nic.load("zip-bare", pair[0]).encode(PIXELS)
    with pytest.raises(WeightsNotFound, match=r"there are: fast\. Those of that name are for other entropy models"):
        nic.decode(data, decoder="best")


def test_what_a_decoder_file_becomes(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """The weights that it was cut from, once; they have the encoder of those that are here."""
    _, decoder = pair
    path = Path(weights.local(weights.spec_of(decoder)).location)
    whole = load_file(tmp_path / "best.whole")
    assert load_file(path).keys() == whole.keys()
    assert all(np.array_equal(value, whole[name]) for name, value in load_file(path).items())
    assert weights.verified(path).decoder == "best"
    before = path.stat().st_mtime_ns
    assert weights.local(weights.spec_of(decoder)).location == str(path)
    assert path.stat().st_mtime_ns == before
    path.write_bytes(b"damaged")
    assert Path(weights.local(weights.spec_of(decoder)).location).stat().st_size > 100  # made again
    assert (
        nic.inspect(nic.load("zip-bare", decoder).encode(PIXELS)).synthesis_id == weights.read_info(path).synthesis_id
    )


def test_a_cache_that_cannot_be_written(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "_folder", lambda: Path(os.devnull) / "none")
    assert nic.load("zip-bare", pair[1]).encode(PIXELS)


def test_the_cache_keeps_a_few(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(completing, "KEPT", 2)
    places = set()
    for time in range(4):
        os.utime(pair[1], ns=(time, time))  # as others would be
        places.add(weights.local(weights.spec_of(pair[1])).location)
    assert len(places) == 4
    assert len(list((tmp_path / "cache" / "completed").glob("*.safetensors"))) == 2


def test_without_the_weights_it_belongs_to(fake: ModuleType, make_weights: Make, tmp_path: Path) -> None:
    decoders.cut(make_weights(tmp_path / "w", "zip-bare", "same", decoder="best"), tmp_path / "best")
    for attempt in (weights.add, lambda path: nic.load("zip-bare", path).encode(PIXELS)):
        with pytest.raises(
            WeightsNotFound, match="best is a decoder alone, for weights of zip-bare with entropy model"
        ):
            attempt(tmp_path / "best")
    with pytest.raises(BadWeights, match="best is a decoder alone: whole weights are needed here"):
        weights.verified(tmp_path / "best")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tensors": {"g_s.b": np.full(2, 7, np.float32)}}, "best was altered: .* the synthesis fingerprint"),
        ({"tensors": {"g_s.b": np.full(2, np.nan, np.float32)}}, "has values that are not finite"),
        ({"tensors": {"a": np.zeros(3, np.float32)}}, "it holds 'a', which is no synthesis"),
        ({"tensors": {"g_a.w": np.zeros(3, np.float32)}}, "it holds 'g_a.w', which is no synthesis"),
        ({"tensors": {"graphs.analysis": np.zeros(3, np.uint8)}}, "it holds 'graphs.analysis', which is no synthesis"),
        ({"tensors": {"graphs.synthesis": np.zeros(3, np.uint8)}}, "does not say whose tensors it takes"),
        (
            {"tensors": {"graphs.synthesis": np.zeros(3, np.uint8), "graphs.tensors": np.full(9, 91, np.uint8)}},
            "damaged list of its graphs' tensors",
        ),
        ({"config": {"name": "another"}}, "best was altered: .* the entropy fingerprint"),
        ({"config": {"name": "same", "more": 1}}, "best was altered"),
        ({"synthesis_id": "00000001"}, "best was altered: .* the synthesis fingerprint"),
        ({"entropy_id": "00000001"}, "best is a decoder alone, .* which are not installed"),
    ],
)
def test_damaged_and_hostile_decoder_files(pair: tuple[Path, Path], change: dict, message: str, tmp_path: Path) -> None:
    bad = altered(pair[1], **change)
    with pytest.raises((BadWeights, WeightsNotFound), match=message):
        nic.load("zip-bare", bad).encode(PIXELS)
    with pytest.raises((BadWeights, WeightsNotFound), match=message):
        weights.add(bad)
    assert not list((tmp_path / "cache").glob("completed/*"))
    assert [spec.decoder for spec in weights.available("zip-bare")] == ["fast"]


def test_a_decoder_file_cannot_become_the_default(pair: tuple[Path, Path]) -> None:
    assert weights.spec_of(altered(pair[1], rank=1000)).rank == -1


def test_at_the_command_line(pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "a.nic").write_bytes(nic.load("zip-bare").encode(PIXELS))
    made = tmp_path / "made"
    assert cli.run(["weights", "decoder", str(tmp_path / "best.whole"), "-o", str(made)]) == 0
    assert "decoder 'best' of zip-bare" in capsys.readouterr().out
    assert made.read_bytes() == pair[1].read_bytes()
    assert cli.run(["weights", "decoder", str(made), "-o", str(tmp_path / "again")]) == 1
    assert "made is a decoder alone" in capsys.readouterr().err
    assert cli.run(["weights", "add", str(made)]) == 0
    assert cli.run(["weights"]) == 0
    assert any(line.split()[2:4] == ["30", "best"] for line in capsys.readouterr().out.splitlines()[1:])
    assert cli.run(["info", "--json", str(tmp_path / "a.nic")]) == 0
    assert json.loads(capsys.readouterr().out)["decoders"] == ["fast", "best"]
    assert cli.run(["decode", str(tmp_path / "a.nic"), "--decoder", "best", "-o", str(tmp_path / "a.png")]) == 0
    assert cli.run(["decode", str(tmp_path / "a.nic"), "--decoder", "slow", "-o", str(tmp_path / "b.png")]) == 1
    assert "there are: best, fast" in capsys.readouterr().err
