"""The weights that packages bring hold what their records say."""

from pathlib import Path

import pytest
from nic_core import plugins, weights
from nic_core.cli import run
from nic_core.spec import WeightsSpec
from nic_core.weights import completing, decoders

BUNDLED = [spec for _, spec in plugins.records("nic_weights") if not weights.is_remote(spec.location)]


@pytest.mark.parametrize("spec", BUNDLED, ids=lambda spec: spec.name)
def test_bundled_weights_are_sound(spec: WeightsSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "_folder", lambda: tmp_path)
    path = Path(spec.location)
    info = weights.verify(completing.completed(path, BUNDLED) if decoders.is_decoder(path) else path)
    assert (info.codec, info.entropy_id, info.synthesis_id) == (spec.codec, spec.entropy_id, spec.synthesis_id)


def test_there_are_some() -> None:
    assert {"mini", "textsketch-ntc", "textsketch-pic", "textsketch-pics"} <= {spec.codec for spec in BUNDLED}


def test_doctor_finds_them_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    found = capsys.readouterr().out
    assert found.endswith("nothing is broken\n")
    assert all(spec.name in found for spec in BUNDLED)
