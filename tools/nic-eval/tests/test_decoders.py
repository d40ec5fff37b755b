"""Decoders as contestants: `codec:decoder=NAME` codes as the codec does, and is decoded with other weights."""

from pathlib import Path

import numpy as np
import pytest
from nic_core.errors import WeightsNotFound
from nic_core.weights import WeightsInfo, completing, decoders, fingerprint
from nic_eval.bench.choice import candidates
from nic_eval.contestants.codecs import NicContestant
from nic_eval.contestants.contestant import read_original
from safetensors.numpy import save_file


def write(path: Path, decoder: str, synthesis: float, rank: int) -> Path:
    """Write weights of one entropy model with a synthesis of their own."""
    tensors = {"entropy": np.zeros(1, np.float32), "g_s.weight": np.full(1, synthesis, np.float32)}
    ids = [fingerprint({key: tensors[key]}, {}) for key in tensors]
    info = WeightsInfo("zip-bare", f"w-{decoder}", {}, *ids, quality=(1.0, 100.0), rank=rank, decoder=decoder)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, info.to_metadata())
    return path


@pytest.mark.usefixtures("zip_codec")
def test_a_decoder_is_measured(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(completing, "_folder", lambda: tmp_path / "completed")
    store, picture = tmp_path / "store" / "zip-bare", sorted(pictures.glob("*.png"))[0]
    write(store / "fast.safetensors", "fast", 1.0, 1)
    decoders.cut(write(tmp_path / "whole", "best", 2.0, 1), store / "best.safetensors")
    plain, best = NicContestant("zip-bare"), NicContestant("zip-bare:decoder=best")
    assert [setting.label for setting in plain.settings()] == [setting.label for setting in best.settings()]
    assert "w-best" not in plain.description and "w-fast" in best.description and "w-best" in best.description
    assert not caplog.messages, "a decoder of the same files is not passed over"
    setting = best.settings()[0]
    data = best.encode(read_original(picture), setting)
    assert data == plain.encode(read_original(picture), setting)
    assert np.array_equal(best.decode(data, setting), plain.decode(data, setting))  # zip has no synthesis
    before = best.fingerprint(setting, picture)
    assert before != plain.fingerprint(setting, picture)
    (candidate,) = candidates(["zip-bare:decoder=best"], None, random=False)
    assert candidate.weights is not None and candidate.weights.decoder == "best", "its stages are timed"
    (store / "best.safetensors").unlink()
    decoders.cut(write(tmp_path / "whole", "best", 3.0, 1), store / "best.safetensors")
    assert NicContestant("zip-bare:decoder=best").fingerprint(setting, picture) != before
    with pytest.raises(WeightsNotFound, match="no decoder 'slow' for zip-bare"):
        NicContestant("zip-bare:decoder=slow").settings()
