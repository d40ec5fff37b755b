"""Weights files are what their records say, or nothing is done with them."""

import json
import logging
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import nic_core as nic
import numpy as np
import pytest
from nic_core import plugins, weights
from nic_core.errors import BadWeights, PluginFault, WeightsNotFound
from nic_core.weights import Scope, WeightsInfo, fingerprint, verification
from nic_core.weights.tensors import read_head
from safetensors.numpy import load_file, save_file

Make = Callable[..., Path]
PIXELS = np.zeros((2, 3, 3), np.uint8)


def with_tensor(path: Path, name: str, value: np.ndarray) -> Path:
    """Put another tensor in place of one, under the old record."""
    save_file(load_file(path) | {name: value}, path, weights.read_info(path).to_metadata())
    return path


def safetensors(path: Path, header: Any, data: bytes = bytes(12)) -> Path:
    """Write a file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(shape: list, begin: Any, end: Any, dtype: str = "F32") -> dict[str, Any]:
    """Return a tensor's entry in a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_a_header_is_read(tmp_path: Path) -> None:
    header = {"b": entry([1, 2], 4, 12), "empty": entry([0, 5], 4, 4), "a": entry([], 0, 4, "I32"), "__metadata__": {}}
    head = read_head(safetensors(tmp_path / "w", header))
    assert [entry.shape for entry in head.entries.values()] == [(1, 2), (0, 5), ()]
    assert head.elements == 3


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry([3], 0, 12), "b": entry([1], 8, 12)},
        {"a": entry([1], 0, 4), "b": entry([1], 8, 12)},
        {"a": entry([2], 0, 8)},
        {"a": entry([4], 0, 16)},
        {"a": entry([2], 0, 12)},
        {"a": entry([-3], 0, 12)},
        {"a": entry([True, 3], 0, 12)},
        {"a": entry([3.0], 0, 12)},
        {"a": entry([10**400], 0, 12)},
        {"a": entry([1] * 9 + [3], 0, 12)},
        {"a": entry([3], "0", 12)},
        {"a": entry([3], 0, 12, "F99")},
        {"a": entry([3], 0, 12, ["F32"])},
        {"a": [3]},
        {"a": entry([3], 0, 12), "__metadata__": {"nic": 5}},
        {"a": entry([3], 0, 12), "__metadata__": []},
        b'{"a": %s, "a": %s}' % ((json.dumps(entry([3], 0, 12)).encode(),) * 2),
        b"[" * 100_000,
        b"[]",
        b" " * ((1 << 23) + 1),
    ],
)
def test_headers_that_contradict_themselves(tmp_path: Path, header: Any) -> None:
    with pytest.raises(ValueError, match=r"its|entry of|as many bytes|nested|is there twice"):
        read_head(safetensors(tmp_path / "w", header))


def test_altered_tensors_are_found_wherever_weights_come_in(
    fake: ModuleType, tmp_path: Path, make_weights: Make, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = nic.encode(PIXELS)
    path = make_weights(tmp_path / "mine.safetensors", "zip", "any", quality=(1.0, 100.0), rank=99)
    assert weights.verify(path).entropy_id == nic.inspect(data).entropy_id
    with_tensor(path, "a", np.full(3, 7, np.float32))
    says = "was altered: what it holds has the entropy fingerprint [0-9a-f]{8}, its record says [0-9a-f]{8}$"
    with pytest.raises(BadWeights, match=says):
        weights.add(path)
    assert not store.exists()
    with pytest.raises(BadWeights, match=says):
        nic.load("zip", path).decode(data)
    (store / "zip").mkdir(parents=True)
    path.rename(store / "zip" / "w.safetensors")
    with caplog.at_level(logging.WARNING, "nic"):
        assert nic.load().encode(PIXELS) == data
        assert nic.decode(data).size == (3, 2)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"passing over a file in {store / 'zip'}: w.safetensors was altered")


def test_the_synthesis_and_the_config_are_checked_too(tmp_path: Path, make_weights: Make) -> None:
    path = make_weights(tmp_path / "w.safetensors", "zip", "w")
    with pytest.raises(BadWeights, match="has the synthesis fingerprint"):
        weights.verify(with_tensor(path, "g_s.b", np.full(2, 7, np.float32)))
    info = weights.read_info(make_weights(path, "zip", "w"))
    save_file(load_file(path), path, replace(info, config={"name": "x"}).to_metadata())
    with pytest.raises(BadWeights, match="has the entropy fingerprint"):
        weights.verify(path)
    assert weights.verify(with_tensor(make_weights(path, "zip", "w"), "g_a.w", np.ones(5, np.float32)))


def test_the_record_says_what_fingerprints_cover(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    tensors = {name: np.full(2, len(name), np.float32) for name in ("decode.w", "encode.w", "prior")}
    config = {"heads": 2, "width": 3}
    ids = (
        fingerprint({"prior": tensors["prior"]}, {"width": 3}),
        fingerprint({"decode.w": tensors["decode.w"]}, config),
    )
    info = WeightsInfo("other", "w", config, *ids, scope=Scope(("decode",), ("encode",), ("heads",)))
    save_file(tensors, path, info.to_metadata())
    assert weights.verify(path) == info
    save_file(tensors, path, replace(info, scope=Scope()).to_metadata())
    with pytest.raises(BadWeights, match="was altered"):
        weights.verify(path)


@pytest.mark.parametrize(
    ("dtype", "finite", "other"),
    [
        ("F32", struct.pack("<f", -3e38), struct.pack("<f", float("nan"))),
        ("F64", struct.pack("<d", 1e300), struct.pack("<d", float("inf"))),
        ("F16", struct.pack("<e", 65504), struct.pack("<e", float("-inf"))),
        ("BF16", b"\xff\xfe", b"\x80\xff"),  # of the largest negative number, and of minus infinity
        ("BF16", b"\x7f\x7f", b"\xc0\x7f"),  # of the largest number, and of one that is none
        ("I32", b"\xff" * 4, b""),
    ],
)
def test_tensors_are_finite(tmp_path: Path, dtype: str, finite: bytes, other: bytes) -> None:
    info = WeightsInfo("other", "w", {}, "0" * 8, "0" * 8)
    for value in filter(None, (finite, other)):
        header = {"g_a.w": entry([1], 0, len(value), dtype), "__metadata__": info.to_metadata()}
        path = safetensors(tmp_path / "w.safetensors", header, value)
        with pytest.raises(
            BadWeights, match="was altered" if value is finite else "'g_a.w' has values that are not fi"
        ):
            weights.verify(path)


def test_files_of_float16_have_the_fingerprint_of_their_arrays(tmp_path: Path) -> None:
    tensors = {name: np.arange(3).astype(kind) for name, kind in (("h", "f2"), ("i", "i8"), ("b", "?"), ("u", "u1"))}
    info = WeightsInfo("other", "w", {}, fingerprint(tensors, {}), fingerprint({}, {}))
    save_file(tensors, tmp_path / "w.safetensors", info.to_metadata())
    assert weights.verify(tmp_path / "w.safetensors") == info


def test_a_codec_may_have_fingerprints_of_its_own(
    tmp_path: Path, fake: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(plugins.codec_spec("zip"), fingerprints="nic_fake.codec:ids")
    monkeypatch.setattr(fake, "ids", lambda info: (info.config["id"], info.config["id"]), raising=False)
    monkeypatch.setattr(verification, "codec_spec", lambda codec: spec)
    info = WeightsInfo("zip", "w", {"id": "01234567"}, "01234567", "01234567")
    save_file({}, tmp_path / "w.safetensors", info.to_metadata())
    assert weights.verify(tmp_path / "w.safetensors") == info
    save_file({}, tmp_path / "w.safetensors", replace(info, synthesis_id="0" * 8).to_metadata())
    with pytest.raises(BadWeights, match="has the synthesis fingerprint 01234567, its record says 00000000"):
        weights.verify(tmp_path / "w.safetensors")


def test_a_rule_that_fails_is_its_plugins_fault(
    tmp_path: Path, fake: ModuleType, store: Path, make_weights: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights.add(make_weights(tmp_path / "z.safetensors", "zip-rate", "mine", quality=50.0))
    path = make_weights(tmp_path / "w.safetensors", "zip", "w", quality=50.0)
    weights.add(path)
    verification._found.clear()
    verification._cache().unlink()
    zip_spec, codec_spec = plugins.codec_spec("zip"), plugins.codec_spec
    for rule in (lambda info: 1 / 0, lambda info: None, lambda info: ("1", "2", "3")):
        monkeypatch.setattr(fake, "ids", rule, raising=False)
        spec = replace(zip_spec, fingerprints="nic_fake.codec:ids")
        monkeypatch.setattr(verification, "codec_spec", lambda codec, spec=spec: spec)
        with pytest.raises(PluginFault, match="the codec zip failed in computing fingerprints: "):
            weights.verify(path)
    monkeypatch.setattr(verification, "codec_spec", lambda codec: spec if codec == "zip" else codec_spec(codec))
    assert [found.name for found in weights.stored()] == ["mine"]  # and the others can be used


def test_sound_files_are_remembered(
    tmp_path: Path, make_weights: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    compute = verification.fingerprints
    monkeypatch.setattr(verification, "fingerprints", lambda *given: computed.append(given) or compute(*given))
    path = make_weights(tmp_path / "w.safetensors", "zip", "w")
    for _ in range(3):
        assert weights.verified(path).name == "w"
        verification._found.clear()  # as in another process
    assert len(computed) == 1
    assert list(json.loads(cache.read_text())) == [str(path.resolve())]
    with_tensor(path, "a", np.zeros(3, np.float32))
    for _ in range(2):
        with pytest.raises(BadWeights, match="was altered"):
            weights.verified(path)
    assert len(computed) == 2
    path.unlink()
    with pytest.raises(WeightsNotFound, match="cannot read"):
        weights.verified(path)


@pytest.mark.parametrize("content", [b"[]", b"{", b"[" * 100_000, b'{"a": 5}'])
def test_a_damaged_memory_is_made_anew(tmp_path: Path, make_weights: Make, cache: Path, content: bytes) -> None:
    cache.parent.mkdir()
    cache.write_bytes(content)
    path = make_weights(tmp_path / "w.safetensors", "zip", "w")
    weights.verified(path)
    assert str(path.resolve()) in json.loads(cache.read_text())


def test_a_memory_that_cannot_be_written(tmp_path: Path, make_weights: Make, cache: Path) -> None:
    cache.parent.write_text("a file")
    assert weights.verified(make_weights(tmp_path / "w.safetensors", "zip", "w")).name == "w"
