"""How long decoding may take: whoever sets the limit, whatever the codec."""

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import nic_core as nic
import numpy as np
import pytest
from nic_core import progress
from nic_core.cli import run
from nic_core.errors import BadOption, OutOfTime
from nic_core.host.limits import second_limit

LONG = 3600.0


@pytest.fixture
def slow(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have the codec take an hour for each of two steps, by a clock of its own; return the steps that it began."""
    begun, clock = [], [0.0]
    decompress = fake.ZipCodec.decompress

    def slowly(*given: object) -> np.ndarray:
        for step in progress.track("ab", "unzipping"):
            begun.append(step)
            clock[0] += LONG
        return decompress(*given)

    monkeypatch.setattr("nic_core.host.limits.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(fake.ZipCodec, "decompress", slowly)
    monkeypatch.setattr(fake.ZipCodec, "parts", lambda *given: {".raw": slowly(*given).tobytes()})
    return begun


@pytest.fixture
def data() -> bytes:
    return nic.encode(np.zeros((4, 5, 3), np.uint8))


def calls() -> list[Callable[..., object]]:
    codec = nic.load("zip")
    return [nic.decode, codec.decode, codec.decode_picture, codec.parts]


def test_the_work_ends_at_the_next_step(slow: list[str], data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for call in calls():
        slow.clear()
        with pytest.raises(
            OutOfTime, match=r"longer than the limit of 60 seconds; raise it with --max-seconds or NIC_"
        ):
            call(data, max_seconds=60)
        assert slow == ["a"]
        assert call(data, max_seconds=2 * LONG)
        monkeypatch.setenv("NIC_MAX_SECONDS", "1.5")
        with pytest.raises(OutOfTime, match=r"the limit of 1\.5 seconds"):
            call(data)
        assert call(data, max_seconds=math.inf)
        monkeypatch.delenv("NIC_MAX_SECONDS")
        assert call(data)


def test_encoding_for_a_target_has_no_limit(slow: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIC_MAX_SECONDS", "1")
    assert nic.encode(np.zeros((4, 5, 3), np.uint8), target=nic.Target("psnr", 10.0))
    assert slow


def test_files_after_a_slow_one_are_decoded(
    slow: list[str], data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "a.nic").write_bytes(data)
    assert run(["decode", str(tmp_path / "a.nic"), "--max-seconds", "60"]) == 1
    assert "a.nic: decoding takes longer than the limit of 60 seconds" in capsys.readouterr().err
    assert run(["decode", str(tmp_path / "a.nic"), "--max-seconds", "8000"]) == 0


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_limits_that_are_none(seconds: float, fake: ModuleType, data: bytes) -> None:
    for call in calls():
        with pytest.raises(
            BadOption, match=r"max_seconds must be a number of seconds above 0, such as 30 or 0\.5, not"
        ):
            call(data, max_seconds=seconds)


@pytest.mark.parametrize("text", ["0", "-3", "nan", "soon", "1,5"])
def test_the_environment_is_checked(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIC_MAX_SECONDS", text)
    with pytest.raises(BadOption, match="NIC_MAX_SECONDS must be a number of seconds above 0"):
        second_limit()
    monkeypatch.setenv("NIC_MAX_SECONDS", "")
    assert second_limit() == math.inf
    monkeypatch.setenv("NIC_MAX_SECONDS", " 2.5 ")
    assert second_limit() == 2.5
